//! Messages at a real socket.

use std::os::unix::net::UnixDatagram;

use super::*;
use crate::config::SyslogFormat;

fn sent(format: SyslogFormat, event: &EventRecord) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let socket = UnixDatagram::bind(&path).unwrap();
    Syslog::new(&path, format).send(event).unwrap();
    let mut buffer = [0; 8192];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

#[test]
fn rfc_5424_has_the_event_as_json() {
    let message = sent(SyslogFormat::Rfc5424, &event());
    let (header, json) = message.split_once(" @cee: ").unwrap();
    let header: Vec<&str> = header.split(' ').collect();
    assert_eq!((header[0], header.len()), ("<84>1", 7));
    assert_eq!(header[1].parse::<Timestamp>().unwrap(), event().time);
    assert_eq!(
        header[3..],
        [
            "egress-enforcer",
            &std::process::id().to_string(),
            "denied",
            "-"
        ]
    );
    assert_eq!(serde_json::from_str::<EventRecord>(json).unwrap(), event());
}

#[test]
fn cef_has_the_keys_of_its_dictionary() {
    let message = sent(SyslogFormat::Cef, &event());
    let (_, cef) = message.split_once(" - ").unwrap();
    let expected = format!(
        "CEF:0|egress-enforcer|egress-enforcer|{}|storage|denied|7|rt=",
        crate::VERSION
    );
    assert!(cef.starts_with(&expected), "{cef}");
    for field in [
        " act=denied ",
        " cnt=1 ",
        " dst=20.60.0.4 ",
        " dpt=443 ",
        " proto=TCP ",
        " spid=42 ",
        " sproc=azcopy ",
        " cs1Label=unit cs1=plc.service ",
    ] {
        assert!(cef.contains(field), "{field}: {cef}");
    }
}

#[test]
fn what_separates_fields_is_escaped() {
    let event = EventRecord {
        reason: "a|b\\c".to_owned(),
        command: Some("x=1\nCEF:0|forged".to_owned()),
        ..event()
    };
    let cef = sent(SyslogFormat::Cef, &event);
    assert!(cef.contains("|a\\|b\\\\c|"), "{cef}");
    assert!(cef.contains(" sproc=x\\=1 CEF:0|forged "), "{cef}");
    assert!(!cef.contains('\n'), "{cef}");
    assert!(!sent(SyslogFormat::Rfc5424, &event).contains('\n'));
}

#[test]
fn a_receiver_that_was_restarted_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let first = UnixDatagram::bind(&path).unwrap();
    let mut syslog = Syslog::new(&path, SyslogFormat::Rfc5424);
    syslog.send(&event()).unwrap();
    drop(first);
    assert!(syslog.send(&event()).is_err());
    fs::remove_file(&path).unwrap();
    let second = UnixDatagram::bind(&path).unwrap();
    syslog.send(&event()).unwrap();
    let mut buffer = [0; 8192];
    assert!(second.recv(&mut buffer).unwrap() > 0);
}

#[test]
fn a_receiver_that_does_not_read_delays_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let _socket = UnixDatagram::bind(&path).unwrap();
    let mut syslog = Syslog::new(&path, SyslogFormat::Cef);
    let failed = (0..10_000).find_map(|_| syslog.send(&event()).err());
    assert_eq!(
        failed.map(|error| error.kind()),
        Some(std::io::ErrorKind::WouldBlock)
    );
}

#[test]
fn an_ipv6_address_has_keys_of_its_own_in_cef() {
    let event = EventRecord {
        destination: Some("2001:db8::7".parse().unwrap()),
        ..event()
    };
    let cef = sent(SyslogFormat::Cef, &event);
    assert!(
        cef.contains(" c6a3=2001:db8::7 c6a3Label=Destination IPv6 Address "),
        "{cef}"
    );
    assert!(!cef.contains(" dst="), "{cef}");
}
