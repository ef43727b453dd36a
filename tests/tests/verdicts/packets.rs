//! Verdicts of crafted packets by test runs of the loaded programs.

use std::net::Ipv6Addr;

use anyhow::Result;
use enforcer::{core::Counters, policy::Held};
use enforcer_common::{Reason, Verdict};
use lab::bpf::loaded_policy::LoadedPolicy;
use test_data::packet::{Packet, protocol::TCP};

use crate::packet_cases::{NAT64, PacketCase, all_cases, inputs, ip, protected};

/// Runs every packet case through both programs; `reason` returns the expected reason in this mode.
fn check_all(
    default_allow: bool,
    audit: bool,
    reason: impl Fn(&PacketCase) -> Reason,
) -> Result<usize> {
    let mut loaded = LoadedPolicy::new()?;
    loaded.apply(&protected(&NAT64), &inputs(default_allow, audit))?;
    loaded.attach(&loaded.cgroup().child("scope")?)?;
    let question = loaded.question()?;
    let cases = all_cases();
    let mut wrong = Vec::new();
    for case in &cases {
        let expected = reason(case);
        let denied = expected.denies();
        let answer = question.run_packet(&case.packet)?;
        let enforced = loaded.kernel.passes(&case.packet)?;
        let passes = audit || !denied;
        let is_right = answer.reason == expected
            && (answer.verdict == Verdict::Deny) == denied
            && (answer.passes, enforced) == (passes, passes);
        if !is_right {
            wrong.push(format!(
                "{}: {answer:?}, egress passes {enforced}, not {expected:?}",
                case.what
            ));
        }
    }
    assert_eq!(wrong, [""; 0]);
    Ok(cases.len())
}

#[test]
fn every_packet_case_gets_its_expected_verdict() -> Result<()> {
    let count = check_all(true, false, |case| {
        let denies = case.verdict == Verdict::Deny;
        assert_eq!(case.reason.denies(), denies, "{}", case.what);
        case.reason
    })?;
    eprintln!("{count} packet cases");
    assert!(count > 1_000, "{count}");
    Ok(())
}

#[test]
fn with_default_deny_unlisted_destinations_are_denied() -> Result<()> {
    check_all(false, false, |case| {
        if case.reason == Reason::DefaultAllow {
            return Reason::DefaultDeny;
        }
        case.reason
    })?;
    Ok(())
}

#[test]
fn audit_mode_reports_the_same_reasons_and_allows_every_packet() -> Result<()> {
    check_all(true, true, |case| case.reason)?;
    Ok(())
}

/// RFC 8215 allows any prefix length in this range; 96 bits are the default where none is configured.
#[test]
fn a_local_use_nat64_prefix_is_decoded_with_its_configured_length() -> Result<()> {
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
            question.run_packet(&packet)?.reason,
            expected,
            "{inner} as {outer}"
        );
    }
    Ok(())
}

#[test]
fn before_the_first_policy_no_global_destination_is_allowed() -> Result<()> {
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
            loaded.question()?.run_packet(&packet)?.reason,
            Reason::NoTable,
            "{address}"
        );
        assert!(!loaded.kernel.passes(&packet)?, "{address}");
    }
    Ok(())
}

/// Programs are shared between tests ([`lab::bpf::program_pool`]).
#[test]
fn a_test_starts_with_empty_maps_and_counters() -> Result<()> {
    let mut loaded = LoadedPolicy::new()?;
    loaded.apply(&protected(&NAT64), &inputs(true, false))?;
    loaded.attach(&loaded.cgroup().child("scope")?)?;
    for case in all_cases() {
        loaded.kernel.passes(&case.packet)?;
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
