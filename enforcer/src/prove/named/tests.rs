//! Names and addresses with and without a reason.

use std::net::IpAddr;

use super::super::expected::{ExpectedName, ExpectedNamed};
use super::*;

const END: u64 = 1_000_000_000_000;
const CONTOSO: u32 = 7;
const AGENT: u32 = 8;
const OLD: u32 = 9;
const OF_REGISTRY: u32 = NameEntry::REGISTRY | NameEntry::IN_REGISTRY_TAG;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn name(text: &str, id: u32, flags: u32, cgroup: u64) -> (String, NameEntry) {
    let entry = NameEntry {
        id,
        flags,
        cgroup,
        deadline: END,
    };
    (text.to_owned(), entry)
}

fn grant(cgroup: u64, to: &str, by: GrantedBy) -> NamedGrant {
    NamedGrant {
        cgroup,
        to: ip(to),
        by,
        deadline: END,
    }
}

fn held() -> NamedGrants {
    NamedGrants {
        names: vec![
            name("contoso.azurecr.io", CONTOSO, OF_REGISTRY, 0),
            name("agent.blob.core.windows.net", AGENT, 0, 3),
            name("old.azurecr.io", OLD, 0, 0),
            name(".azurecr.io", 10, NameEntry::WATCHED, 0),
        ],
        grants: vec![
            grant(0, "203.0.113.1", GrantedBy::Name(CONTOSO)),
            grant(0, "203.0.113.1", GrantedBy::SomeName),
            grant(0, "203.0.113.9", GrantedBy::Name(OLD)),
            grant(3, "198.51.100.7", GrantedBy::Name(AGENT)),
        ],
        snooped: 0,
    }
}

fn expected() -> Expected {
    let contoso = ExpectedName {
        addresses: [ip("203.0.113.1")].into(),
        tag: NameEntry::IN_REGISTRY_TAG,
        is_any_name: false,
    };
    Expected {
        names: [ip("203.0.113.1")].into(),
        lingering: [ip("203.0.113.9")].into(),
        by_name: [("contoso.azurecr.io".to_owned(), contoso)].into(),
        removed: [("old.azurecr.io".to_owned(), Sni::Required)].into(),
        named: vec![ExpectedNamed {
            cgroup: 3,
            name: "agent.blob.core.windows.net".to_owned(),
            addresses: [ip("198.51.100.7")].into(),
            tag: 0,
            is_any_name: false,
            deadline: END,
        }],
        ..Expected::default()
    }
}

fn unexpected_with(change: impl FnOnce(&mut NamedGrants)) -> Vec<String> {
    let mut held = held();
    change(&mut held);
    unexpected(&held, &expected(), 10)
}

#[test]
fn what_the_daemon_reports_has_a_reason() {
    assert_eq!(unexpected_with(|_| {}), [""; 0]);
    assert_eq!(missing(&held(), &expected(), 10), [""; 0]);
    // The address of a removed name, which a current one has, too; and one of an earlier daemon.
    for (to, by) in [("203.0.113.1", OLD), ("203.0.113.9", CONTOSO)] {
        let also = |held: &mut NamedGrants| held.grants.push(grant(0, to, GrantedBy::Name(by)));
        assert_eq!(unexpected_with(also), [""; 0]);
    }
    // What has ended allows nothing.
    let ended = |held: &mut NamedGrants| {
        let mut grant = grant(0, "203.0.113.66", GrantedBy::Name(CONTOSO));
        grant.deadline = 5;
        held.grants.push(grant);
    };
    assert_eq!(unexpected_with(ended), [""; 0]);
}

#[test]
fn each_entry_without_a_reason_is_found() {
    let of_registry = name("evil.azurecr.io", 11, NameEntry::REGISTRY, 0);
    let of_another_unit = name("evil.blob.core.windows.net", 11, 0, 3);
    let twin = name("evil.azurecr.io", CONTOSO, 0, 0);
    for (entry, found) in [
        (of_registry, "the name evil.azurecr.io"),
        (of_another_unit, "the name evil.blob.core.windows.net"),
        (twin, "the name evil.azurecr.io"),
    ] {
        let found_names = unexpected_with(|held| held.names.push(entry));
        assert_eq!(found_names[0], found);
    }
    for (grant, found) in [
        (
            grant(0, "203.0.113.66", GrantedBy::Name(CONTOSO)),
            "203.0.113.66 by the name contoso.azurecr.io",
        ),
        (
            grant(0, "203.0.113.1", GrantedBy::Name(AGENT)),
            "203.0.113.1 by the name agent.blob.core.windows.net",
        ),
        (
            grant(0, "203.0.113.1", GrantedBy::Name(99)),
            "203.0.113.1 by a name with the number 99",
        ),
        (
            grant(0, "203.0.113.1", GrantedBy::AnyName),
            "203.0.113.1 by any name",
        ),
        (
            grant(0, "203.0.113.9", GrantedBy::AnyName),
            "203.0.113.9 by any name",
        ),
        (
            grant(0, "203.0.113.66", GrantedBy::SomeName),
            "203.0.113.66 by a DNS answer",
        ),
        (
            grant(4, "198.51.100.7", GrantedBy::Name(AGENT)),
            "198.51.100.7 by the name agent.blob.core.windows.net",
        ),
        (
            grant(3, "198.51.100.7", GrantedBy::AnyName),
            "198.51.100.7 by any name",
        ),
    ] {
        assert_eq!(unexpected_with(|held| held.grants.push(grant)), [found]);
    }
    let changes: [fn(&mut NamedGrants); 4] = [
        |held| held.grants[3].deadline = END + SLACK + 1,
        |held| held.names[1].1.deadline = END + SLACK + 1,
        |held| held.names[0].1.flags |= NameEntry::IN_STORAGE_TAG,
        |held| held.names[0].1.flags = NameEntry::REGISTRY,
    ];
    for change in changes {
        assert_eq!(unexpected_with(change).len(), 1);
    }
}

/// It is one name for the programs, and its address is one of a registry.
#[test]
fn a_name_that_looks_like_a_removed_one_is_found() {
    let entry = |held: &mut NamedGrants| {
        held.names.push(name("evil.azurecr.io", 11, 0, 0));
        held.grants
            .push(grant(0, "203.0.113.1", GrantedBy::Name(11)));
    };
    assert_eq!(
        unexpected_with(entry),
        ["203.0.113.1 by the name evil.azurecr.io"]
    );
}

#[test]
fn a_removed_name_may_be_unchecked_as_before() {
    let mut held = held();
    held.grants
        .push(grant(0, "203.0.113.9", GrantedBy::AnyName));
    let mut expected = expected();
    assert_eq!(unexpected(&held, &expected, 10).len(), 1);
    expected
        .removed
        .insert("old.azurecr.io".to_owned(), Sni::Off);
    assert_eq!(unexpected(&held, &expected, 10), [""; 0]);
}

#[test]
fn registries_without_checks_grant_nothing_by_forged_answers() {
    let mut expected = expected();
    expected
        .by_name
        .get_mut("contoso.azurecr.io")
        .unwrap()
        .is_any_name = true;
    let mut held = held();
    assert_eq!(unexpected(&held, &expected, 10).len(), 1);
    held.names[0].1.flags |= NameEntry::UNCHECKED | NameEntry::ASK_DAEMON;
    assert_eq!(unexpected(&held, &expected, 10), [""; 0]);
}

#[test]
fn an_address_of_a_registry_without_its_name_is_missing() {
    let mut held = held();
    held.grants.remove(0);
    assert_eq!(
        missing(&held, &expected(), 10),
        ["203.0.113.1 by the name contoso.azurecr.io"]
    );
}
