//! The programs of network devices on this kernel: verified, and judging made-up frames in test runs.

use anyhow::Result;
use enforcer::bpf::DEVICE_OBJECT;
use enforcer::policy::{Inputs, Layer, NameInput, Protected};
use enforcer_common::Class;
use enforcer_common::layout::{
    DEVICE_EGRESS, DEVICE_INGRESS, LinkHeader, SOCKET_OPTIONS, SOCKET_OPTIONS_PLAIN,
};
use lab::bpf::{device_programs::DevicePrograms, loaded_policy::LoadedPolicy, objects};
use test_data::packet::{Packet, protocol::UDP, tcp_flags::ACK};

use crate::{budgets, hidden_functions};

const STORAGE: &str = "20.38.98.100";
const STORAGE_V6: &str = "2603:1030:a::5";
/// [`STORAGE`] in an address of 6to4, and an unprotected one.
const STORAGE_IN_6TO4: &str = "2002:1426:6264::1";
const WEB_IN_6TO4: &str = "2002:5db8:d822::1";
const REGISTRY: &str = "20.42.66.1";
const WEB: &str = "93.184.216.34";
const HTTPS: u16 = 443;
const WEB_V6: &str = "2606:2800:220:1::1";
/// Types of Ethernet frames.
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// Extension headers of IPv6 (RFC 8200 section 4).
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;

#[test]
fn the_verifier_accepts_the_device_programs_within_their_budgets() -> Result<()> {
    let policy = LoadedPolicy::new()?;
    let _loaded = DevicePrograms::load(&policy)?;
    let object = objects::devices()?;
    [DEVICE_EGRESS, DEVICE_INGRESS]
        .into_iter()
        .try_for_each(|name| budgets::hold(&policy, &object, name))
}

/// The helpers that name the caller of `setsockopt` are missing on Linux 5.10.
#[test]
fn the_verifier_accepts_a_program_that_refuses_socket_options() -> Result<()> {
    let policy = LoadedPolicy::new()?;
    let mut programs = DevicePrograms::load(&policy)?;
    programs.load_options(SOCKET_OPTIONS_PLAIN)?;
    let names_callers = programs.load_options(SOCKET_OPTIONS).is_ok();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    assert_eq!(names_callers, !release.starts_with("5.10."), "{release}");
    let object = objects::devices()?;
    budgets::hold(&policy, &object, SOCKET_OPTIONS_PLAIN)?;
    if names_callers {
        budgets::hold(&policy, &object, SOCKET_OPTIONS)?;
    }
    Ok(())
}

#[test]
fn every_function_of_the_device_programs_is_global() -> Result<()> {
    assert_eq!(hidden_functions(DEVICE_OBJECT)?, [""; 0]);
    Ok(())
}

/// What precedes an IPv4 and an IPv6 packet after the Ethernet addresses: nothing else, a tag, two tags, PPPoE, MPLS, SNAP.
const LINK_HEADERS: [(&[u8], &[u8]); 6] = [
    (&[0x08, 0x00], &[0x86, 0xdd]),
    (
        &[0x81, 0x00, 0, 7, 0x08, 0x00],
        &[0x81, 0x00, 0, 7, 0x86, 0xdd],
    ),
    (
        &[0x88, 0xa8, 0, 9, 0x81, 0x00, 0, 7, 0x08, 0x00],
        &[0x88, 0xa8, 0, 9, 0x81, 0x00, 0, 7, 0x86, 0xdd],
    ),
    (
        &[0x88, 0x64, 0x11, 0, 0, 1, 0, 42, 0x00, 0x21],
        &[0x88, 0x64, 0x11, 0, 0, 1, 0, 42, 0x00, 0x57],
    ),
    (&[0x88, 0x47, 0, 0, 0x11, 64], &[0x88, 0x47, 0, 0, 0x11, 64]),
    (
        &[0x00, 0x40, 0xaa, 0xaa, 0x03, 0, 0, 0, 0x08, 0x00],
        &[0x00, 0x40, 0xaa, 0xaa, 0x03, 0, 0, 0, 0x86, 0xdd],
    ),
];

#[test]
fn frames_are_judged_behind_every_link_header() -> Result<()> {
    let mut policy = LoadedPolicy::new()?;
    policy.apply(&protected()?, &inputs()?)?;
    let mut device = DevicePrograms::load(&policy)?;
    device.set_loopback(LinkHeader::Ethernet)?;
    for (v4, v6) in LINK_HEADERS {
        for (header, to, passes) in [
            (v4, STORAGE, false),
            (v4, WEB, true),
            (v6, STORAGE_V6, false),
            (v6, STORAGE_IN_6TO4, false),
            (v6, WEB_IN_6TO4, true),
        ] {
            let packet = Packet::new(to.parse()?, UDP, HTTPS).network();
            let frame = [&[2; 12], header, &packet].concat();
            assert_eq!(device.passes(&frame)?, passes, "{header:02x?} to {to}");
        }
    }
    Ok(())
}

#[test]
fn frames_of_a_device_with_a_high_index_are_judged_alike() -> Result<()> {
    let mut policy = LoadedPolicy::new()?;
    policy.apply(&protected()?, &inputs()?)?;
    let mut device = DevicePrograms::load(&policy)?;
    device.set_loopback(LinkHeader::Ethernet)?;
    device.raise_loopback()?;
    for (to, passes) in [(STORAGE, false), (WEB, true)] {
        let packet = Packet::new(to.parse()?, UDP, HTTPS).network();
        let frame = [&[2; 12], &IPV4[..], &packet].concat();
        assert_eq!(device.passes(&frame)?, passes, "{to}");
    }
    Ok(())
}

/// RFC 8200 section 4.4, RFC 791: what is behind the destination decides where the packet goes.
#[test]
fn frames_that_name_a_further_destination_are_denied() -> Result<()> {
    let mut policy = LoadedPolicy::new()?;
    policy.apply(&protected()?, &inputs()?)?;
    let mut device = DevicePrograms::load(&policy)?;
    device.set_loopback(LinkHeader::Ethernet)?;
    let [v4, v6] =
        [WEB, WEB_V6].map(|to| Ok::<_, anyhow::Error>(Packet::new(to.parse()?, UDP, HTTPS)));
    let (v4, v6) = (v4?, v6?);
    let route = |left: u8| [vec![2, 4, left], vec![0; 20]].concat();
    let loose = [131, 7, 4, 20, 38, 98, 100];
    for (what, packet, passes) in [
        ("a route", v6.clone().extension(ROUTING, &route(1)), false),
        (
            "a route behind options",
            v6.clone()
                .extension(ROUTING, &route(1))
                .extension(HOP_BY_HOP, &[0; 7]),
            false,
        ),
        (
            "a route that is used up",
            v6.clone().extension(ROUTING, &route(0)),
            true,
        ),
        ("options", v6.extension(HOP_BY_HOP, &[0; 7]), true),
        ("a source route", v4.clone().options(&loose), false),
        ("a harmless option", v4.options(&[148, 4, 0, 0]), true),
    ] {
        let packet = packet.network();
        let header = if packet[0] >> 4 == 4 { IPV4 } else { IPV6 };
        let frame = [&[2; 12], &header[..], &packet].concat();
        assert_eq!(device.passes(&frame)?, passes, "{what}");
    }
    Ok(())
}

#[test]
fn other_protocols_pass_and_unreadable_ones_are_denied() -> Result<()> {
    let mut policy = LoadedPolicy::new()?;
    policy.apply(&protected()?, &inputs()?)?;
    let mut device = DevicePrograms::load(&policy)?;
    let frame = |rest: &[u8]| [&[2; 12], rest, &[0; 50]].concat();
    assert!(
        !device.passes(&frame(&[0x08, 0x06]))?,
        "a device without an entry"
    );
    device.set_loopback(LinkHeader::Ethernet)?;
    for protocol in [[0x08, 0x06], [0x88, 0x92], [0x88, 0xf7], [0x88, 0xcc]] {
        assert!(device.passes(&frame(&protocol))?, "{protocol:02x?}");
    }
    for unreadable in [
        &[0x08, 0x00, 0x00][..],
        &[0x86, 0xdd, 0x45],
        &[0x88, 0x47, 0, 0, 0x11, 64],
        &[0x81, 0x00, 0, 7].repeat(12),
        &[0x88, 0x64, 0x11, 0, 0, 1, 0, 42, 0x00, 0x2d],
    ] {
        assert!(!device.passes(&frame(unreadable))?, "{unreadable:02x?}");
    }
    Ok(())
}

#[test]
fn payload_to_an_allowed_address_needs_a_connection() -> Result<()> {
    let mut policy = LoadedPolicy::new()?;
    policy.apply(&protected()?, &inputs()?)?;
    let mut device = DevicePrograms::load(&policy)?;
    device.set_loopback(LinkHeader::Ethernet)?;
    for (payload, passes) in [(&b""[..], true), (b"GET / HTTP/1.1\r\n\r\n", false)] {
        let packet = Packet::tcp(REGISTRY.parse()?, HTTPS, 1, ACK, payload).network();
        let frame = [&[2; 12], &IPV4[..], &packet].concat();
        assert_eq!(device.passes(&frame)?, passes, "{} bytes", payload.len());
    }
    Ok(())
}

pub(crate) fn protected() -> Result<Protected> {
    let layer = |class, prefixes: &[&str]| -> Result<Layer> {
        let prefixes = prefixes.iter().map(|prefix| Ok(prefix.parse()?));
        Ok(Layer {
            class,
            prefixes: prefixes.collect::<Result<_>>()?,
        })
    };
    Ok(Protected {
        layers: vec![
            layer(Class::Storage, &["20.38.98.0/24", "2603:1030:a::/48"])?,
            layer(Class::Registry, &["20.42.66.0/24"])?,
        ],
        ..Protected::default()
    })
}

pub(crate) fn inputs() -> Result<Inputs> {
    let registry = REGISTRY.parse()?;
    Ok(Inputs {
        default_allow: true,
        allowed: vec![registry],
        names: vec![NameInput {
            text: "contoso.azurecr.io".to_owned(),
            id: 7,
            scopes: vec![enforcer::policy::EVERYBODY],
            addresses: vec![registry],
            ..NameInput::default()
        }],
        ..Inputs::default()
    })
}
