//! A container whose accomplice floods it with forged answers cannot block pulls of others.

use std::{
    io::{BufRead as _, BufReader},
    net::{IpAddr, Ipv6Addr, UdpSocket},
    process::{Child, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use lab::{CONTOSO_LOGIN, Lab, fixtures::enforcer::Enforcer, topology::addresses::RESOLVER_V4};
use test_data::dns::{ID, Message, QUESTION_NAME, record_type::AAAA};

use crate::{MINUTE, REGIONS};

/// A configured server that the accomplice impersonates; the genuine resolver comes first.
const FORGER: &str = "fd53::54";
/// Number of answers before the pulls begin, and addresses per answer; the flood continues during the pulls.
const ANSWERS: u64 = 700;
const EACH: u64 = 16;
const DAY: u32 = 86_400;
const PULLS: u64 = 30;
/// Number of addresses that rotate in genuine answers; more than the daemon's limit per name.
const ROTATING: u16 = 300;
const LARGEST_LOG: usize = 100_000;
/// Queries the server continuously as an unprivileged user, and prints a line after the first ANSWERS answers.
const FLOOD: &str = r#"
import os, socket, sys
os.setgid(65534); os.setuid(65534)
query = bytes.fromhex(sys.argv[2])
answered = 0
while True:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.settimeout(3)
        client.connect((sys.argv[1], 53))
        client.send(query)
        try:
            client.recv(4096)
        except TimeoutError:
            continue
    answered += 1
    if answered == int(sys.argv[3]):
        print("flooded", flush=True)
"#;

#[test]
fn a_flood_of_forged_answers_blocks_no_pull_and_does_not_fill_the_log() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &REGIONS, "")?;
    let servers = format!("[dns]\nservers = [\"{RESOLVER_V4}\", \"{FORGER}\"]");
    enforcer.edit("[dns]", &servers)?;
    enforcer.run()?;
    enforcer.await_names()?;
    let device = lab.network().device();
    device.ip(&format!("address add {FORGER}/128 dev lo nodad\n"))?;
    let (ended, forged) = (AtomicBool::new(false), AtomicU64::new(0));
    let socket = device.run(|| Ok(UdpSocket::bind((FORGER, 53))?))?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    thread::scope(|scope| {
        scope.spawn(|| forge(&socket, &ended, &forged));
        let outcome = flooded(&lab, &mut enforcer);
        ended.store(true, Ordering::Relaxed);
        outcome
    })?;
    let forged = forged.load(Ordering::Relaxed);
    assert!(forged >= ANSWERS * EACH, "{forged} addresses were forged");
    let log = enforcer.log();
    assert!(log.len() < LARGEST_LOG, "{} bytes: {log:.2000}", log.len());
    Ok(())
}

fn flooded(lab: &Lab, enforcer: &mut Enforcer) -> Result<()> {
    let container = lab.device_cgroup().child("flood")?;
    let mut client = lab.device_in(&container).command("python3");
    client.args([
        "-S",
        "-B",
        "-c",
        FLOOD,
        FORGER,
        &query(),
        &ANSWERS.to_string(),
    ]);
    let mut client = Flood(client.stdout(Stdio::piped()).spawn()?);
    client.await_answers()?;
    lab.dns().disable_caching()?;
    lab.dns().rotate_addresses(CONTOSO_LOGIN, &rotating(), 0)?;
    for number in 1..=PULLS {
        let pulled = lab.pull();
        pulled.with_context(|| format!("pull {number}\n{}", enforcer.log()))?;
    }
    enforcer.kill()?;
    enforcer.run()?;
    let pulled = lab.pull();
    pulled.with_context(|| format!("after a restart\n{}", enforcer.log()))?;
    ensure!(
        client.0.try_wait()?.is_none(),
        "the flood ended before the pulls"
    );
    Ok(())
}

/// The container's process; killed when dropped.
struct Flood(Child);

impl Flood {
    fn await_answers(&mut self) -> Result<()> {
        let output = self.0.stdout.take().context("no output")?;
        let (sender, receiver) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ignored = sender.send(BufReader::new(output).read_line(&mut line).map(|_| line));
        });
        let line = receiver
            .recv_timeout(MINUTE)
            .context("the flood is not answered")??;
        ensure!(line == "flooded\n", "{line:?}");
        Ok(())
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _may_have_ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// An AAAA query for the login server, as hexadecimal digits.
fn query() -> String {
    let Message(query) = Message::query(CONTOSO_LOGIN, AAAA);
    query.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Answers the container's queries with new addresses of the registries' tag each time, and not the daemon's.
fn forge(socket: &UdpSocket, ended: &AtomicBool, forged: &AtomicU64) {
    let mut buffer = [0; 512];
    while !ended.load(Ordering::Relaxed) {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let asked = &buffer[..length];
        if !asked.starts_with(&ID.to_be_bytes()) {
            continue;
        }
        let first = forged.fetch_add(EACH, Ordering::Relaxed);
        let _may_fail = socket.send_to(&answer(asked, first), client);
    }
}

fn answer(asked: &[u8], first: u64) -> Vec<u8> {
    let addresses = (first..first + EACH).map(|number| {
        let [.., third, second, last] = number.to_be_bytes();
        let low = u16::from_be_bytes([second, last]);
        Ipv6Addr::new(0x2001, 0xdb8, 0xacc, 0xf00, 0, 0, third.into(), low)
    });
    let with = |message: Message, address: Ipv6Addr| {
        message.address_for(DAY, QUESTION_NAME, address.into())
    };
    addresses.fold(Message::response_to(asked), with).0
}

/// Returns addresses of the login server in both families; each answer has one of them.
fn rotating() -> Vec<IpAddr> {
    let v6 = |last| Ipv6Addr::new(0x2001, 0xdb8, 0xacc, 0, 0, 0, 1, last).into();
    let v4 = (10..50).map(|last| [198, 51, 100, last].into());
    v4.chain((0..ROTATING).map(v6)).collect()
}
