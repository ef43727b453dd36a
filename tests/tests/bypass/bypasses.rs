//! The ways around the sockets' hooks as docs/threat-model.md lists them.

use std::{env, fs, path::Path};

use anyhow::{Context as _, Result, ensure};

use crate::{comparison::With, lane::Row};

/// The variable with which the test writes the table instead of comparing it.
const WRITE: &str = "EGRESS_ENFORCER_WRITE_DOCUMENTS";
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/threat-model.md");
/// The lines around the table.
const BEGIN: &str = "<!-- written by tests/bypass -->\n";
const END: &str = "<!-- end -->\n";

/// A way around, and how it ends with filters at devices.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bypass {
    what: &'static str,
    who: &'static str,
    with: &'static str,
}

/// Who can go these ways.
const RAW: &str = "a process with `CAP_NET_RAW`";
const RAW_CONTAINER: &str = "a container with `CAP_NET_RAW`, as Docker grants it";
const NOBODY: &str = "an unprivileged process";
const NOBODY_CONTAINER: &str = "an unprivileged process of a container";
const STORAGE: &str = "`storage`";

const fn bypass(what: &'static str, who: &'static str, with: &'static str) -> Bypass {
    Bypass { what, who, with }
}

pub(crate) static PACKET_SOCKETS: Bypass = bypass(
    "frames of packet sockets and of their rings (`TPACKET_V1` to `V3`), behind VLAN and QinQ tags, PPPoE, MPLS and LLC/SNAP, and declared as another protocol",
    RAW,
    STORAGE,
);
pub(crate) static CONTAINER_FRAMES: Bypass = bypass(
    "frames of any IP protocol that the host forwards",
    RAW_CONTAINER,
    STORAGE,
);
pub(crate) static CONVERSATIONS: Bypass = bypass(
    "TCP without a socket, to a storage account",
    RAW_CONTAINER,
    STORAGE,
);
pub(crate) static CRAFTED_HELLOS: Bypass = bypass(
    "TCP without a socket, to an allowed address: another name without a handshake, in the SYN, behind one of two SYNs, in fragments, in place of a ClientHello that the server discards",
    RAW_CONTAINER,
    "`no-syn-seen`, `fast-open`, `wrong-port`, `server-name-unknown`, `retransmit-mismatch`",
);
pub(crate) static SECOND_CONNECTIONS: Bypass = bypass(
    "another name on a second connection with the addresses, ports and sequence numbers of an allowed one",
    RAW,
    "`no-syn-seen`, `server-name-unknown`, `retransmit-mismatch`",
);
pub(crate) static SHARED_CARD: Bypass = bypass(
    "another name behind answers that a container on MACVLAN sends to itself with the server's address, so that they come in by the card",
    RAW_CONTAINER,
    "`no-syn-seen`",
);
pub(crate) static SHARED_CARD_FORWARDED: Bypass = bypass(
    "a frame that a container on IPVLAN in mode L2 sends to the host, which forwards it as if it had come from outside, with `forwarded = \"audit\"`",
    RAW_CONTAINER,
    STORAGE,
);
pub(crate) static OVERLAY: Bypass = bypass(
    "a frame in a datagram to the host's own VXLAN port, which the kernel unpacks",
    NOBODY,
    STORAGE,
);
pub(crate) static DATAGRAM_TUNNELS: Bypass = bypass(
    "the same with GENEVE, L2TPv3, Foo-over-UDP and Generic UDP Encapsulation",
    NOBODY_CONTAINER,
    STORAGE,
);
pub(crate) static RAW_TUNNELS: Bypass = bypass(
    "the same with GRE, ERSPAN, IPv4 in IPv4 and IPv6 in IPv4",
    RAW_CONTAINER,
    STORAGE,
);
pub(crate) static TUNNEL_DEVICES: Bypass = bypass(
    "the outer packets of the host's own tunnels: VXLAN, GENEVE, GRE, ERSPAN, IP in IP, L2TPv3, Foo-over-UDP, Generic UDP Encapsulation, WireGuard",
    "root, by a tunnel that anybody may use",
    STORAGE,
);
pub(crate) static XFRM_INTERFACES: Bypass = bypass(
    "frames that the host sends through an xfrm interface, in ESP or in ESP in UDP",
    RAW,
    STORAGE,
);
pub(crate) static EMBEDDED_ADDRESSES: Bypass = bypass(
    "an IPv6 address that contains a storage account's, by a 6rd or ISATAP device of the host",
    NOBODY,
    STORAGE,
);
pub(crate) static TUN_OWNER: Bypass = bypass(
    "what the owner of a TUN or TAP device writes, such as a virtual machine",
    NOBODY,
    STORAGE,
);
pub(crate) static NESTED_CONTAINER: Bypass = bypass(
    "frames of a container in a container",
    RAW_CONTAINER,
    STORAGE,
);
pub(crate) static UPPER_DEVICES: Bypass = bypass(
    "frames on MACVLAN, and on IPVLAN in mode L3",
    RAW_CONTAINER,
    STORAGE,
);
pub(crate) static SEGMENT_ROUTING: Bypass = bypass(
    "by way of the host in a segment routing header (RFC 8754)",
    RAW_CONTAINER,
    STORAGE,
);
pub(crate) static REDIRECTED_CONNECTIONS: Bypass = bypass(
    "NAT in `PREROUTING` that leads a container's connection to a storage account",
    NOBODY_CONTAINER,
    STORAGE,
);
pub(crate) static VIRTUAL_SERVERS: Bypass = bypass(
    "a virtual server (IPVS) that leads a connection of the host to a storage account",
    NOBODY,
    STORAGE,
);
pub(crate) static CHANGED_PAGES: Bypass = bypass(
    "pages that change after the verdict: `MSG_ZEROCOPY`, `sendfile`, `IORING_OP_SEND_ZC`, a packet socket's ring",
    NOBODY,
    "what was judged leaves",
);
pub(crate) static SYN_COOKIES: Bypass = bypass(
    "the answer to a connection from a storage account, with SYN cookies",
    "a process that listens",
    STORAGE,
);
/// What must pass is no way around; the table omits it.
pub(crate) static CONTROLS: Bypass = bypass("everything else", "", "");
/// What the sockets' hooks deny is no way around them.
pub(crate) static SOCKETS: Bypass = bypass("a socket in scope", "", "");

/// The lines of the table.
static BYPASSES: [&Bypass; 21] = [
    &PACKET_SOCKETS,
    &CONTAINER_FRAMES,
    &CONVERSATIONS,
    &CRAFTED_HELLOS,
    &SECOND_CONNECTIONS,
    &SHARED_CARD,
    &SHARED_CARD_FORWARDED,
    &OVERLAY,
    &DATAGRAM_TUNNELS,
    &RAW_TUNNELS,
    &TUNNEL_DEVICES,
    &XFRM_INTERFACES,
    &EMBEDDED_ADDRESSES,
    &TUN_OWNER,
    &NESTED_CONTAINER,
    &UPPER_DEVICES,
    &SEGMENT_ROUTING,
    &REDIRECTED_CONNECTIONS,
    &VIRTUAL_SERVERS,
    &CHANGED_PAGES,
    &SYN_COOKIES,
];

/// Checks that the table contains what the comparison expects of a technique.
pub(crate) fn check(row: &Row) -> Result<()> {
    let word = match row.with {
        // The documentation lists what the sockets' hooks deny elsewhere.
        With::Passes | With::DeniedIn(..) => return Ok(()),
        With::Unchanged => "what was judged".to_owned(),
        With::Denied(reason) | With::DeniedAt(_, reason) => format!("`{}`", reason.word()),
    };
    let is_listed = BYPASSES.contains(&row.bypass) && row.bypass.with.contains(&word);
    ensure!(
        is_listed,
        "no line in bypasses.rs has {word} for {}",
        row.name
    );
    Ok(())
}

/// Returns the table.
fn table() -> String {
    let mut text =
        "| way around the sockets' hooks | who | with frames |\n|---|---|---|\n".to_owned();
    for Bypass { what, who, with } in BYPASSES {
        text.push_str(&format!("| {what} | {who} | {with} |\n"));
    }
    text
}

#[test]
fn the_threat_model_has_the_table_of_ways() -> Result<()> {
    let path = Path::new(DOCUMENT);
    let text = fs::read_to_string(path)?;
    let (before, rest) = text.split_once(BEGIN).context(BEGIN)?;
    let (_table, after) = rest.split_once(END).context(END)?;
    let expected = [before, BEGIN, &table(), END, after].concat();
    if env::var_os(WRITE).is_some() {
        fs::write(path, &expected)?;
    }
    ensure!(
        fs::read_to_string(path)? == expected,
        "docs/threat-model.md is out of date: run this test with {WRITE}=1, and commit what it writes"
    );
    Ok(())
}
