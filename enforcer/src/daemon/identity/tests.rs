//! Records of events.

use super::*;

fn event() -> Event {
    Event {
        destination: "::ffff:20.60.0.4".parse::<Ipv6Addr>().unwrap().octets(),
        port: 443,
        protocol: 6,
        hook: Hook::Connect4 as u8,
        reason: Reason::Storage as u8,
        ..Event::default()
    }
}

fn nowhere() -> Identify {
    Identify::new("/nowhere".into(), Path::new("/nowhere"))
}

fn describe(event: &Event) -> EventRecord {
    nowhere().describe(event, None, |_| Vec::new())
}

#[test]
fn an_event_is_described_in_words() {
    let name: Name = "contoso.azurecr.io".parse().unwrap();
    let record = nowhere().describe(&event(), None, |address| {
        assert_eq!(address, "20.60.0.4".parse::<IpAddr>().unwrap());
        vec![name.clone()]
    });
    assert_eq!((record.sequence, record.duplicates), (0, 0));
    assert_eq!(record.verdict, "deny");
    assert_eq!(record.reason, "storage");
    assert_eq!(record.hook, "connect4");
    assert_eq!((record.port, record.protocol.as_str()), (Some(443), "tcp"));
    assert_eq!(record.names, [name]);
}

#[test]
fn unknown_fields_stay_empty() {
    let record = describe(&Event {
        uid: 1000,
        command: *b"curl\0\0\0\0\0\0\0\0\0\0\0\0",
        device: 1,
        port: 0,
        protocol: 132,
        hook: 99,
        reason: 99,
        audited: 1,
        ..event()
    });
    assert_eq!((record.pid, record.uid, record.command), (None, None, None));
    assert_eq!((record.cgroup, record.unit), (None, None));
    assert_eq!((record.port, record.protocol.as_str()), (None, "132"));
    assert_eq!((record.hook.as_str(), record.reason.as_str()), ("99", "99"));
    assert_eq!(record.verdict, "audit");
    assert_eq!(record.device.as_deref(), Some("lo"));
}

#[test]
fn a_frame_without_a_socket_has_its_source() {
    let source = "::ffff:10.99.0.2".parse::<Ipv6Addr>().unwrap().octets();
    let record = describe(&Event { source, ..event() });
    assert_eq!(record.source, Some("10.99.0.2".parse().unwrap()));
    assert_eq!(describe(&event()).source, None);
}

#[test]
fn an_event_about_a_socket_option_has_no_destination() {
    let record = describe(&Event {
        hook: Hook::Setsockopt as u8,
        reason: Reason::BypassOption as u8,
        port: BypassOption::XdpTxRing as u16,
        protocol: 0,
        ..event()
    });
    assert_eq!(record.option.as_deref(), Some("XDP_TX_RING"));
    assert_eq!((record.destination, record.port), (None, None));
    assert_eq!(record.hook, "setsockopt");
    assert_eq!(describe(&event()).option, None);
}

#[test]
fn a_sum_counts_all_suppressed_denials() {
    for (cgroup, place) in [
        (77, "the cgroup with id 77"),
        (0, "frames without a socket"),
        (SEVERAL_CGROUPS, "several cgroups"),
    ] {
        let key = SuppressedKey {
            cgroup,
            window: 3,
            audited: 1,
        };
        let record = nowhere().sum_up(&key, 812, boot_clock());
        assert_eq!((record.verdict.as_str(), record.duplicates), ("audit", 811));
        assert_eq!(
            record.message.unwrap(),
            format!("812 denials of {place} in 10 seconds were too many for an event each")
        );
    }
}

#[test]
fn an_ipv6_destination_stays_ipv6() {
    let key = "2603:1030::1".parse::<Ipv6Addr>().unwrap().octets();
    let expected: IpAddr = "2603:1030::1".parse().unwrap();
    assert_eq!(address(key), expected);
}

#[test]
fn the_time_of_an_event_is_its_age_before_now() {
    let now: Timestamp = "2026-08-22T12:00:00Z".parse().unwrap();
    let second = 1_000_000_000;
    let at = |moment| wall_time(moment, 100 * second, now).to_string();
    assert_eq!(at(90 * second), "2026-08-22T11:59:50Z");
    assert_eq!(at(101 * second), "2026-08-22T12:00:00Z");
}

#[test]
fn a_command_ends_at_its_first_nul_and_is_escaped() {
    assert_eq!(command(b"curl\0left over\0\0"), "curl");
    assert_eq!(command(b"sixteen bytes ok"), "sixteen bytes ok");
    assert_eq!(command(b"\x1b[2J\xff\n\0"), "\\u{1b}[2J\u{fffd}\\n");
}

#[test]
fn the_program_of_this_process_is_found() {
    let record = describe(&Event {
        pid: std::process::id(),
        time: boot_clock(),
        ..event()
    });
    assert_eq!(record.executable, std::env::current_exe().ok());
    assert_eq!(
        (record.pid, record.uid),
        (Some(std::process::id()), Some(0))
    );
}
