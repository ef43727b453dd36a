//! Pages that another process changes all the time, back and forth, while they are judged and while they wait for the network card: of
//! `EGRESS_LAB_RACES` attempts of each kind, none may arrive with what is denied.

use std::{
    net::IpAddr,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    fixtures::{process::run, process_env::ProcessEnv, run_length::number},
    topology::frame_counter::FrameCounter,
};
use serde_json::{Value, json};
use test_data::{client_hello::client_hello, packet::udp_packet};

use crate::{
    client::hex,
    fixture::{Fixture, LOGIN},
    link_headers::{IPV4, ethernet},
    links::Station,
    selection::Place,
    support::{is_brief, is_guest, note},
    topology::{FAR_MAC, HOST_MAC},
};

const TOOL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/lab/send_methods/race_pages.py"
);
/// How many attempts there are of each kind, and the variable that says another number.
const RACES: (&str, u32) = ("EGRESS_LAB_RACES", 2000);
/// How many there are in a brief run of a virtual machine, and without filters.
const FEW: u32 = 200;
/// How often so many are made without filters, until one arrives with what is denied: many where other work leaves one processor for both processes.
const ROUNDS: usize = 60;
/// The same in a virtual machine, whose queue is slower.
const ROUNDS_OF_GUEST: usize = 10;
/// Attempts in a second, at least.
const SLOWEST: u32 = 10;
const START: Duration = Duration::from_secs(60);
/// Differs from the allowed name in one byte, so that no half of a change is another name.
const FOREIGN: &str = "contosa.azurecr.io";
/// Differs from an address of a storage account in one byte.
const HARMLESS: &str = "203.0.112.9";
/// The byte, and where it is in an Ethernet frame with IPv4.
const STORAGE: u8 = 113;
const STORAGE_AT: usize = 32;
/// A kind of sender.
struct Race {
    name: &'static str,
    sender: ProcessEnv,
    order: Value,
    /// Where frames have the byte that changes: behind the TCP header, or in the frame.
    place: Place,
    bytes: [u8; 2],
}

/// How many frames arrived with what is allowed, and with what is denied.
#[derive(Debug)]
struct Arrived {
    allowed: u32,
    denied: u32,
}

impl Race {
    /// Connections of sockets to the allowed name.
    fn of_sockets(name: &'static str, sender: ProcessEnv, to: IpAddr) -> Self {
        let (at, bytes) = changed_byte();
        Self {
            name,
            sender,
            order: json!({"do": "stream", "to": to, "data": hex(&client_hello(LOGIN)), "at": at}),
            place: Place::Payload {
                is_v4: to.is_ipv4(),
                at,
            },
            bytes,
        }
    }

    /// Connections of a packet socket to the allowed name.
    fn of_segments(sender: ProcessEnv, to: IpAddr) -> Self {
        let station = Station::of_host(7);
        let order = json!({
            "do": "segments", "device": "eth0", "mac": hex(&station.mac), "gateway": hex(&station.gateway), "source": station.address,
        });
        let mut race = Self::of_sockets("a packet socket's ring, the name", sender, to);
        for (key, value) in order.as_object().into_iter().flatten() {
            race.order[key] = value.clone();
        }
        race
    }

    /// Frames of a packet socket.
    fn of_frames(sender: ProcessEnv) -> Result<Self> {
        let from = "10.53.0.2:40000".parse()?;
        let packet = udp_packet(from, (HARMLESS.parse::<IpAddr>()?, 443).into(), b"a race");
        let frame = ethernet(FAR_MAC, HOST_MAC, IPV4, &packet.context("two families")?);
        Ok(Self {
            name: "a packet socket's ring, the address",
            sender,
            order: json!({"do": "frames", "device": "eth0", "data": hex(&frame), "at": STORAGE_AT}),
            place: Place::Frame { at: STORAGE_AT },
            bytes: [frame[STORAGE_AT], STORAGE],
        })
    }

    /// Whether something arrives with what is denied, sooner or later.
    fn is_won(&self, fixture: &Fixture) -> Result<bool> {
        let rounds = if is_guest() { ROUNDS_OF_GUEST } else { ROUNDS };
        for _ in 0..rounds {
            if self.run(fixture, FEW)?.denied > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends, and counts what arrives.
    fn run(&self, fixture: &Fixture, count: u32) -> Result<Arrived> {
        let counter = |byte| {
            FrameCounter::start(fixture.network.cloud(), "cloud0", &self.place.program(byte))
        };
        let [allowed, denied] = [counter(self.bytes[0])?, counter(self.bytes[1])?];
        let mut order = self.order.clone();
        order["count"] = count.into();
        order["byte"] = self.bytes[1].into();
        let mut command = self.sender.command("python3");
        command.args(["-S", "-B", TOOL, &order.to_string()]);
        let started = Instant::now();
        let limit = START + Duration::from_secs((count / SLOWEST).into());
        let sent = run(command, limit)?.success()?;
        let duration = started.elapsed();
        // The queue keeps the order.
        fixture.fences(|fences| fences.pass_frame(fixture))?;
        let arrived = Arrived {
            allowed: allowed.take()?,
            denied: denied.take()?,
        };
        note(&format!(
            "{}: {} attempts in {duration:?}, {arrived:?}",
            self.name,
            sent.trim()
        ));
        Ok(arrived)
    }
}

/// Where the two ClientHellos differ, and how.
fn changed_byte() -> (usize, [u8; 2]) {
    let [allowed, foreign] = [LOGIN, FOREIGN].map(client_hello);
    let different = |(_, (one, other)): &(usize, (&u8, &u8))| one != other;
    let mut pairs = allowed.iter().zip(&foreign).enumerate();
    pairs
        .find(different)
        .map_or((0, [0, 0]), |(at, (one, other))| (at, [*one, *other]))
}

/// The number of attempts with filters.
fn races() -> Result<u32> {
    let (variable, usual) = RACES;
    number(variable, if is_brief() { FEW } else { usual })
}

/// Lets frames wait for the network card (tc-tbf(8)), with room for each of them: an emulated processor fills the queue of a slow one only.
fn queue(fixture: &Fixture) -> Result<()> {
    let rate = if is_guest() { "1mbit" } else { "30mbit" };
    let mut tc: Command = fixture.network.device_env().command("tc");
    tc.args(["qdisc", "add", "dev", "eth0", "root", "tbf"]);
    tc.args(["rate", rate, "burst", "2kb", "limit", "10mb"]);
    run(tc, START)?.success()?;
    Ok(())
}

#[test]
fn of_pages_that_change_all_the_time_none_leaves_with_what_is_denied() -> Result<()> {
    let fixture = Fixture::new()?;
    let [v4, v6] = [fixture.next_login(true)?, fixture.next_login(false)?];
    let races = [
        Race::of_sockets("MSG_ZEROCOPY, the name, IPv4", fixture.host(), v4),
        Race::of_sockets("MSG_ZEROCOPY, the name, IPv6", fixture.host(), v6),
        Race::of_sockets(
            "MSG_ZEROCOPY in a container, the name",
            fixture.in_container(),
            v4,
        ),
        Race::of_segments(fixture.host(), v4),
        Race::of_frames(fixture.host())?,
    ];
    queue(&fixture)?;
    for race in &races {
        ensure!(race.is_won(&fixture)?, "{}: open to nobody", race.name);
    }
    fixture.filter_devices()?;
    for race in &races {
        let with = race.run(&fixture, self::races()?)?;
        ensure!(
            with.denied == 0 && with.allowed > 0,
            "{}: {with:?}",
            race.name
        );
    }
    Ok(())
}
