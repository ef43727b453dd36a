//! Property tests: random sequences of events with failing effects, against a model of the maps and the state directory.
//!
//! Invariants after every event:
//! - The maps hold what was acknowledged, and no change stays unacknowledged.
//! - An address is allowed only while a source in force gives it, or while it lingers.
//! - The addresses of the last good answer to a name in force are allowed, whatever failed since.
//! - They are also saved, or known to be unsaved.
//! - The mode is that of the configuration, at the latest after a tick.
//! - Removed exceptions, and DNS observations that no name grants, do not stay.
//! - Applying a change twice leaves the same maps.
//! - A restart from the saved state yields the same names, exceptions and last good addresses, and no new address.

mod action;
mod events;
mod fixtures;
mod model;
mod world;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult};

use self::action::{Action, Failure};
use self::fixtures::{MAX_TTL, configurations};
use self::model::key;
use self::world::World;
use super::alarm_kind::AlarmKind;
use crate::config::Mode;
use crate::policy::revoked_grants;

/// Number of sequences.
const SEQUENCES: u32 = 10_000;
/// The linger of the configurations.
const LINGER: Duration = Duration::from_secs(15 * 60);

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0..2_usize, 0..64_u8, 1..=MAX_TTL.as_secs())
            .prop_map(|(name, addresses, ttl)| Action::Answer { name, addresses, ttl }),
        2 => (0..2_usize).prop_map(|name| Action::Fail { name }),
        2 => (0..2_usize, 0..6_usize).prop_map(|(name, address)| Action::Observe { name, address }),
        4 => (1..1500_u64, any::<bool>())
            .prop_map(|(seconds, agent_runs)| Action::Tick { seconds, agent_runs }),
        2 => prop::option::weighted(0.8, 0..5_usize).prop_map(Action::Reload),
        1 => (0..3_u8).prop_map(Action::LocalAddress),
        1 => any::<bool>().prop_map(|detached| Action::CheckHooks { detached }),
        1 => Just(Action::Save),
        1 => Just(Action::ChangeSettings),
    ]
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        6 => Just(Failure::None),
        1 => Just(Failure::Refused),
        1 => Just(Failure::Partial),
        1 => Just(Failure::Unreadable),
        1 => Just(Failure::PartialUnreadable),
        1 => Just(Failure::Elsewhere),
    ]
}

/// Checks the invariants that hold after every event.
fn check(world: &World) -> TestCaseResult {
    prop_assert!(
        world.state.maps.pending.is_none(),
        "a change is left unacknowledged"
    );
    let unsaved = world.unsaved();
    prop_assert!(unsaved.is_empty(), "{:?} are not saved", unsaved);
    if !world.is_in_sync() {
        return Ok(());
    }
    let held = &world.maps.held;
    prop_assert_eq!(
        held,
        &*world.state.maps.held,
        "the maps hold what was acknowledged"
    );
    for address in world.last_good() {
        prop_assert!(
            held.allowed.contains_key(&key(address)),
            "{} is not allowed",
            address
        );
    }
    let config = &world.state.sources.config;
    if config.exceptions.is_empty() {
        prop_assert!(held.cgroups.is_empty() && held.prefixes.is_empty());
        prop_assert!(held.addresses.is_empty(), "an exception that left stays");
    }
    let observed: Vec<_> = world.maps.observations();
    prop_assert_eq!(revoked_grants(&observed, &held.name_grants), []);
    Ok(())
}

/// Checks the invariants that hold after a tick, which expires lingering addresses and repairs settings.
fn check_tick(world: &World) -> TestCaseResult {
    if !world.is_in_sync() {
        return Ok(());
    }
    let audits = world.state.sources.config.mode == Mode::Audit;
    prop_assert_eq!(world.maps.settings.switches.audits(), audits);
    for allowed in world.maps.held.allowed.keys() {
        let address = IpAddr::from(*allowed).to_canonical();
        let said = world.last_given(address);
        prop_assert!(said.is_some(), "{} was never said", address);
        let unsaid = world
            .now
            .since_start
            .saturating_sub(said.unwrap_or_default());
        prop_assert!(
            unsaid <= LINGER + MAX_TTL,
            "{} was said {:?} ago",
            address,
            unsaid
        );
    }
    Ok(())
}

/// Checks a restart without failures.
fn check_restart(mut world: World) -> TestCaseResult {
    world.retry();
    let before = world.maps.held.clone();
    let good: BTreeSet<IpAddr> = world.last_good().collect();
    world.restart();
    prop_assert!(world.is_in_sync());
    let after = &world.maps.held;
    for address in good {
        prop_assert!(
            after.allowed.contains_key(&key(address)),
            "{} is lost",
            address
        );
    }
    let came = after
        .allowed
        .keys()
        .find(|key| !before.allowed.contains_key(*key));
    prop_assert_eq!(came, None, "a restart allows a new address");
    prop_assert!(after.prefixes.keys().eq(before.prefixes.keys()));
    prop_assert_eq!(&after.cgroups, &before.cgroups);
    let is_lost = |name: &str| !after.names.contains_key(&crate::policy::name_key(name));
    let names = world.state.sources.all_names();
    let lost: Vec<_> = names.filter(|name| is_lost(name.as_str())).collect();
    prop_assert!(lost.is_empty(), "{:?} are lost", lost);
    Ok(())
}

#[test]
fn every_sequence_of_events_keeps_the_invariants() {
    let configurations = Rc::from(configurations());
    let config = Config {
        cases: SEQUENCES,
        failure_persistence: None,
        ..Config::default()
    };
    let sequence = prop::collection::vec((action(), failure()), 1..12);
    proptest!(config, |(sequence in sequence)| {
        let mut world = World::start(Rc::clone(&configurations));
        for (action, failure) in sequence {
            let is_tick = matches!(action, Action::Tick { .. });
            world.act(action, failure);
            check(&world)?;
            if is_tick {
                check_tick(&world)?;
            }
        }
        check_restart(world)?;
    });
}

#[test]
fn settings_that_root_changed_are_restored_and_reported_once() {
    let mut world = World::start(Rc::from(configurations()));
    let before = world.maps.settings.switches;
    world.retry();
    let reported = |world: &World| world.state.alarms.subjects(AlarmKind::HookRestored);
    assert_eq!(reported(&world), [""; 0]);
    world.maps.change_mode();
    assert!(world.maps.settings.switches.audits());
    world.retry();
    assert_eq!(world.maps.settings.switches, before);
    assert_eq!(reported(&world), ["settings"]);
    let generation = world.maps.settings.generation;
    world.retry();
    assert_eq!(world.maps.settings.generation, generation);
}
