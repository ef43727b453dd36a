//! Containers on MACVLAN and IPVLAN above a network card: they can send frames that come in by the card as if another host had sent them.

use anyhow::{Context as _, Result};
use enforcer_common::Reason;
use lab::topology::netns::Netns;
use test_data::{
    client_hello::client_hello,
    packet::{
        tcp_flags::{ACK, PSH, SYN},
        udp_packet,
    },
};

use crate::{
    bypasses,
    comparison::{Attempt, SendResult, Target, Technique, With},
    crafted_hellos::{ISN, at, foreign, send_and_await},
    fixture::{Fixture, LOGIN},
    lane::{Lane, lane},
    link_headers::{Mac, ether_type, ethernet},
    links::{PacketLink, Station},
    mini_tcp::{Ends, Link as _, Position, handshake, segment, send},
    second_connections::send_discarded,
    support,
    topology::{FORWARDED_FROM, text},
};

/// The guest's cards, which are on one wire, and their names in the namespaces of the host and of the far side.
const GUEST_CARDS: [&str; 2] = ["eth0", "eth1"];
const HOST_CARD: &str = FORWARDED_FROM;
const FAR_CARD: &str = "card1";
const FAR_MAC: Mac = [2, 0, 0, 0, 0x9a, 1];
const CONTAINER_MAC: Mac = [2, 0, 0, 0, 0x9a, 2];
const HOST_CARD_MAC: Mac = [2, 0, 0, 0, 0x9a, 3];
/// An address beside the container's own, whose frames the container's own stack ignores.
const STATION: Station = Station {
    mac: CONTAINER_MAC,
    address: std::net::Ipv4Addr::new(10, 154, 0, 77),
    gateway: FAR_MAC,
};

/// A packet socket in the container.
struct Container {
    link: PacketLink,
    netns: Netns,
}

impl Container {
    /// Puts the container above the host's card.
    fn open(fixture: &Fixture, kind: &str, station: Station) -> Result<Self> {
        let netns = Netns::new()?;
        fixture.network.device().ip(&format!(
            "link add up1 link {HOST_CARD} {kind}\n\
             link set up1 netns {}\n",
            netns.path().display()
        ))?;
        netns.ip("link set lo up\n\
             link set up1 name eth0\n\
             address add 10.154.0.2/24 dev eth0\n\
             link set eth0 up\n")?;
        Ok(Self {
            link: PacketLink::open(&fixture.inside_container(&netns), station)?,
            netns,
        })
    }
}

impl Drop for Container {
    /// Deletes the device at once, as the other kind excludes it.
    fn drop(&mut self) {
        let _may_be_gone = self.netns.ip("link delete eth0\n");
    }
}

/// Returns the technique with MACVLAN, if there are two network cards on one wire that are the tests' own.
pub(crate) fn macvlan(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    if !support::is_guest() {
        support::note("NOT RUN: containers above a card: no card here is the tests' own");
        return Ok(None);
    }
    connect(fixture)?;
    let kind = format!("address {} type macvlan mode bridge", text(CONTAINER_MAC));
    let container = Container::open(fixture, &kind, STATION)?;
    let technique = Technique::new(
        "a container on MACVLAN: a foreign ClientHello behind answers of its own",
        (Target::Login, true),
        With::Denied(Reason::NoSynSeen),
        |_, container: &mut Container, attempt| own_answers(&mut container.link, attempt),
    );
    Ok(Some(lane(
        &bypasses::SHARED_CARD,
        container,
        vec![technique],
    )))
}

/// A connection, and on the same addresses and ports one from below its sequence numbers, of which the server knows nothing: it discards each segment. The
/// container answers that one itself, an allowed ClientHello included; the foreign one, on the first connection, then looks like what follows it.
fn own_answers(link: &mut PacketLink, attempt: &Attempt) -> Result<SendResult> {
    let ends = link.ends(attempt);
    let Some(answer) = handshake(link, ends, ISN)? else {
        return Ok(SendResult::Unanswered);
    };
    let acknowledgement = answer.sequence.wrapping_add(1);
    send(link, ends, at(ISN + 1, ACK, acknowledgement), &[])?;
    let other = ISN - 10_000;
    send_discarded(link, ends, at(other, SYN, 0), &[])?;
    answer_oneself(link, ends, at(answer.sequence, SYN | ACK, other + 1))?;
    let allowed = client_hello(LOGIN);
    let first = at(other + 1, PSH | ACK, acknowledgement);
    send_discarded(link, ends, first, &allowed)?;
    let end = (other + 1).wrapping_add(u32::try_from(allowed.len())?);
    answer_oneself(link, ends, at(acknowledgement, ACK, end))?;
    send_discarded(link, ends, at(end, PSH | ACK, acknowledgement), b"x")?;
    send_and_await(link, ends, acknowledgement, &foreign(attempt))
}

/// Sends a segment with the server's address to the container's own Ethernet address.
fn answer_oneself(link: &mut PacketLink, ends: Ends, position: Position) -> Result<()> {
    let back = Ends {
        here: ends.there,
        there: ends.here,
    };
    let forged = segment(back, position, &[])?;
    let protocol = ether_type(&forged);
    link.send_frame(
        protocol,
        &ethernet(CONTAINER_MAC, FAR_MAC, protocol, &forged),
    )?;
    Ok(())
}

/// Returns the technique with IPVLAN, which excludes MACVLAN at the same card, behind [`macvlan`].
pub(crate) fn ipvlan(fixture: &Fixture) -> Result<Option<Box<dyn Lane>>> {
    if !support::is_guest() {
        return Ok(None);
    }
    // The container's device has the card's address.
    let station = Station {
        mac: HOST_CARD_MAC,
        gateway: HOST_CARD_MAC,
        ..STATION
    };
    let container = Container::open(fixture, "type ipvlan mode l2", station)?;
    let technique = Technique::new(
        "a container on IPVLAN in mode L2: a frame to the host, which forwards it as another host's",
        (Target::Storage, true),
        With::Denied(Reason::Storage),
        |_, container: &mut Container, attempt| {
            let ends = container.link.ends(attempt);
            let packet = udp_packet(ends.here, ends.there, &attempt.marker);
            container.link.send(&packet.context("two families")?)
        },
    );
    Ok(Some(lane(
        &bypasses::SHARED_CARD_FORWARDED,
        container,
        vec![technique],
    )))
}

/// Moves the cards into the namespaces of the host and of the far side.
fn connect(fixture: &Fixture) -> Result<()> {
    let (host, far) = (fixture.network.device(), fixture.network.cloud());
    let [first, second] = GUEST_CARDS;
    Netns::of_this_process()?.ip(&format!(
        "link set {first} netns {} name {HOST_CARD}\n\
         link set {second} netns {} name {FAR_CARD}\n",
        host.path().display(),
        far.path().display()
    ))?;
    far.ip(&format!(
        "link set {FAR_CARD} address {}\n\
         address add 10.154.0.1/24 dev {FAR_CARD}\n\
         link set {FAR_CARD} up\n\
         neighbour replace {} lladdr {} dev {FAR_CARD}\n",
        text(FAR_MAC),
        STATION.address,
        text(CONTAINER_MAC)
    ))?;
    fixture.far.add(far, FAR_CARD)?;
    let lines = format!(
        "link set {HOST_CARD} address {}\n\
         link set {HOST_CARD} up\n",
        text(HOST_CARD_MAC)
    );
    fixture.add_device(HOST_CARD, &lines)
}
