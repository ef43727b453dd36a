//! Saving and restoring replicas.

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::state::Replicas;

fn wall() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

#[test]
fn a_restart_keeps_replicas_with_their_age_and_queries_them_at_once() {
    let mut before = discovery();
    tell(&mut before, &east_us(), &answer(&[EAST_US]), at(100));
    let state = before.persist(wall(), at(130));
    let mut after = discovery();
    let later = wall() + SignedDuration::from_secs(70);
    after.restore(&state, Cloud::Public, later, at(1));
    let found: Vec<Replica> = after.replicas(&contoso(), at(2));
    assert_eq!((found.len(), found[0].age), (1, at(101)));
    assert_eq!(next_query(&after, &east_us()), at(0));
    assert_eq!(after.persist(later, at(1)), state);
}

#[test]
fn only_replicas_of_registries_with_discovery_are_restored() {
    let json = r#"{"contoso.azurecr.io":{"oldregion":"2026-01-01T00:00:00Z","a.b":"2026-01-01T00:00:00Z"},
        "other.azurecr.io":{"eastus":"2026-01-01T00:00:00Z"}}"#;
    let state: Replicas = serde_json::from_str(json).unwrap();
    let mut discovery = discovery();
    discovery.restore(&state, Cloud::Public, wall(), at(0));
    assert_eq!(replicas(&discovery, at(0)), ["DNS, region oldregion"]);
    set(&mut discovery, &[registry("contoso.azurecr.io")], at(1));
    assert_eq!(replicas(&discovery, at(1)), ["DNS, region oldregion"]);
}
