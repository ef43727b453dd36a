//! Crafted packets, judged by test runs of the loaded programs.

use std::net::Ipv6Addr;

use anyhow::Result;
use enforcer::{bpf::Counters, policy::Held};
use enforcer_common::{Reason, Verdict};
use lab::{
    bpf::loaded_policy::LoadedPolicy,
    craft::{Packet, protocol::TCP},
};

use crate::packet_cases::{NAT64, PacketCase, all_cases, inputs, ip, protected};

/// Every row against both programs; `reason` says what is expected of a row in this mode.
fn judge(
    default_allow: bool,
    audit: bool,
    reason: impl Fn(&PacketCase) -> Reason,
) -> Result<usize> {
    let mut loaded = LoadedPolicy::new()?;
    loaded.apply(&protected(&NAT64), &inputs(default_allow, audit))?;
    loaded.attach(&loaded.cgroup().child("scope")?)?;
    let question = loaded.question()?;
    let rows = all_cases();
    let mut wrong = Vec::new();
    for row in &rows {
        let expected = reason(row);
        let denied = expected.denies();
        let answer = question.ask_packet(&row.packet)?;
        let enforced = loaded.kernel.passes(&row.packet)?;
        let passes = audit || !denied;
        let is_right = answer.reason == expected
            && (answer.verdict == Verdict::Deny) == denied
            && (answer.passes, enforced) == (passes, passes);
        if !is_right {
            wrong.push(format!(
                "{}: {answer:?}, egress passes {enforced}, not {expected:?}",
                row.what
            ));
        }
    }
    assert_eq!(wrong, [""; 0]);
    Ok(rows.len())
}

#[test]
fn every_crafted_packet_gets_the_verdict_of_its_row() -> Result<()> {
    let count = judge(true, false, |row| {
        let denies = row.verdict == Verdict::Deny;
        assert_eq!(row.reason.denies(), denies, "{}", row.what);
        row.reason
    })?;
    eprintln!("{count} rows");
    assert!(count > 1_000, "{count}");
    Ok(())
}

#[test]
fn by_default_deny_what_nothing_opens_is_denied_too() -> Result<()> {
    judge(false, false, |row| {
        if row.reason == Reason::DefaultAllow {
            return Reason::DefaultDeny;
        }
        row.reason
    })?;
    Ok(())
}

#[test]
fn audit_decides_the_same_and_lets_everything_pass() -> Result<()> {
    judge(true, true, |row| row.reason)?;
    Ok(())
}

/// RFC 8215: the network may use any length there; the usual one, 96 bits, is read where none is configured.
#[test]
fn a_prefix_in_the_local_use_nat64_range_is_read_with_its_own_length() -> Result<()> {
    let mut loaded = LoadedPolicy::new()?;
    loaded.apply(&protected(&["64:ff9b:1::/48"]), &inputs(true, false))?;
    loaded.attach(&loaded.cgroup().child("scope")?)?;
    let question = loaded.question()?;
    for (inner, expected) in [
        ("20.38.98.100", Reason::Storage),
        ("20.42.66.11", Reason::Registry),
        ("20.42.66.10", Reason::AllowedName),
        ("1.1.1.1", Reason::DefaultAllow),
    ] {
        let std::net::IpAddr::V4(inner) = ip(inner) else {
            continue;
        };
        let [a, b, c, d] = inner.octets();
        let [high, low] = [u16::from_be_bytes([a, b]), u16::from(c)];
        let outer = Ipv6Addr::new(0x64, 0xff9b, 1, high, low, u16::from(d) << 8, 0, 0);
        let packet = Packet::new(outer.into(), TCP, 443).bytes();
        assert_eq!(
            question.ask_packet(&packet)?.reason,
            expected,
            "{inner} as {outer}"
        );
    }
    Ok(())
}

#[test]
fn before_a_policy_is_applied_nothing_global_passes() -> Result<()> {
    let mut loaded = LoadedPolicy::new()?;
    loaded.attach(&loaded.cgroup().child("scope")?)?;
    for address in [
        "1.1.1.1",
        "20.38.98.100",
        "64:ff9b::1.1.1.1",
        "2606:4700::1111",
    ] {
        let packet = Packet::new(ip(address), TCP, 443).bytes();
        assert_eq!(
            loaded.question()?.ask_packet(&packet)?.reason,
            Reason::NoTable,
            "{address}"
        );
        assert!(!loaded.kernel.passes(&packet)?, "{address}");
    }
    Ok(())
}

/// The programs are loaded once for all tests.
#[test]
fn a_test_finds_nothing_of_the_one_before_it() -> Result<()> {
    let mut loaded = LoadedPolicy::new()?;
    loaded.apply(&protected(&NAT64), &inputs(true, false))?;
    loaded.attach(&loaded.cgroup().child("scope")?)?;
    for row in all_cases() {
        loaded.kernel.passes(&row.packet)?;
    }
    assert_ne!(loaded.counters()?, Counters::default());
    drop(loaded);
    let next = LoadedPolicy::new()?;
    assert_eq!(next.kernel.maps.held()?, Held::default());
    assert_eq!(next.counters()?, Counters::default());
    assert_eq!(next.kernel.maps.settings()?.generation, 0);
    assert!(next.question().is_err(), "nothing was attached");
    Ok(())
}
