//! A steady stream of connections from the device to allowed addresses, all of which must succeed,
//! and to protected ones, all of which must be refused.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, PipeWriter, Read, Seek, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    os::fd::AsRawFd,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};
use test_data::client_hello::client_hello;

use crate::{
    fixtures::{process::Running, process_env::ProcessEnv},
    topology::{addresses::name_at, syscall::check},
};

/// Number of rounds after which an abandoned stream ends by itself.
const MAX_ROUNDS: u64 = 100_000;
/// Time limit of a front end's answer, much longer than TCP's retransmission timeout.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time limit for the end of a stream.
const END_WITHIN: Duration = Duration::from_secs(15);
/// Destination ports of the datagrams, in turn.
const PORTS: [u16; 3] = [53, 443, 8125];

/// The connections of a stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// TLS front ends, used in turn: each connection sends a ClientHello and waits for the answer.
    pub allowed: Vec<SocketAddr>,
    /// Protected addresses: each round opens one TCP connection and sends one UDP datagram to each of them.
    pub protected: Vec<IpAddr>,
    /// Rounds per second, for both.
    pub rate: u32,
}

impl Plan {
    /// Returns the plan of a fresh lab: contoso's front ends, and the bad actor's storage account and registry.
    #[must_use]
    pub fn lab_default(rate: u32) -> Self {
        let front_end = |address: [u16; 8]| SocketAddr::from((Ipv6Addr::from(address), 443));
        Self {
            allowed: vec![
                (Ipv4Addr::new(198, 51, 100, 10), 443).into(),
                front_end([0x2001, 0xdb8, 0xacc, 0, 0, 0, 0, 0x10]),
                (Ipv4Addr::new(198, 51, 100, 130), 443).into(),
            ],
            protected: vec![
                Ipv4Addr::new(203, 0, 113, 66).into(),
                Ipv6Addr::new(0x2001, 0xdb8, 0xb10b, 0, 0, 0, 0, 0x66).into(),
                Ipv4Addr::new(198, 51, 100, 50).into(),
                Ipv6Addr::new(0x2001, 0xdb8, 0xacc, 0, 0, 0, 0, 0x50).into(),
            ],
            rate,
        }
    }
}

/// The results of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Connections to allowed addresses that were answered.
    pub answered: u64,
    /// Connections to allowed addresses that failed, by step and error.
    pub failed: BTreeMap<String, u64>,
    /// Retransmitted packets on allowed connections.
    pub retransmitted: u64,
    /// Connections and datagrams to protected addresses that were refused with `EPERM`.
    pub refused: u64,
    /// Connections and datagrams to protected addresses that were not refused, by result.
    pub passed: BTreeMap<String, u64>,
}

/// A running stream; it ends when dropped.
#[derive(Debug)]
pub struct Stream {
    running: Running,
    output: File,
    _input: PipeWriter,
}

impl Stream {
    /// Starts `program`, the binary `egress-stream`, in `env`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, env: &ProcessEnv, plan: &Plan) -> Result<Self> {
        let (read, write) = io::pipe().context("create a pipe")?;
        let output = tempfile::tempfile().context("create a file for a stream's totals")?;
        let mut command = env.command(program);
        command
            .arg(serde_json::to_string(plan)?)
            .stdin(read)
            .stdout(output.try_clone()?);
        Ok(Self {
            running: Running::start("egress-stream", command)?,
            output,
            _input: write,
        })
    }

    /// Ends the stream and returns its totals.
    ///
    /// # Errors
    /// When it had already ended, or printed no totals.
    pub fn end(self) -> Result<Totals> {
        let Self {
            mut running,
            mut output,
            _input: input,
        } = self;
        ensure!(
            running.wait(Duration::ZERO)?.is_none(),
            "the stream ended early"
        );
        drop(input);
        let status = running
            .wait(END_WITHIN)?
            .context("the stream does not end")?;
        ensure!(status.success(), "the stream failed: {status}");
        let mut text = String::new();
        output.rewind()?;
        output.read_to_string(&mut text)?;
        serde_json::from_str(&text).context("read a stream's totals")
    }
}

/// Opens the connections of `plan` from this process until `ended` is set.
pub fn generate(plan: &Plan, ended: &AtomicBool) -> Totals {
    thread::scope(|scope| {
        let refused = scope.spawn(|| {
            let mut totals = Totals::default();
            rounds(plan.rate, ended, |round| {
                try_protected(plan, round, &mut totals);
            });
            totals
        });
        let mut totals = Totals::default();
        if !plan.allowed.is_empty() {
            rounds(plan.rate, ended, |round| {
                try_allowed(plan, round, &mut totals)
            });
        }
        if let Ok(protected) = refused.join() {
            totals.refused = protected.refused;
            totals.passed = protected.passed;
        }
        totals
    })
}

fn rounds(rate: u32, ended: &AtomicBool, mut each: impl FnMut(usize)) {
    let pause = Duration::from_secs(1) / rate.max(1);
    let mut next = Instant::now();
    for round in 0..MAX_ROUNDS {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        each(round as usize);
        // No bursts: lost time is not made up for.
        next = (next + pause).max(Instant::now());
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn try_allowed(plan: &Plan, round: usize, totals: &mut Totals) {
    let address = plan.allowed[round % plan.allowed.len()];
    match exchange(address) {
        Ok(lost) => {
            totals.answered += 1;
            totals.retransmitted += u64::from(lost);
        }
        Err((step, error)) => count(&mut totals.failed, format!("{step} {address}: {error}")),
    }
}

/// Connects, sends a ClientHello with a name that resolves to the address, and waits for any answer. Returns the number of
/// retransmitted packets.
///
/// # Errors
/// The step that failed, and its error.
pub fn exchange(address: SocketAddr) -> Result<u32, (&'static str, io::Error)> {
    let at = |step| move |error| (step, error);
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(at("connect"))?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(at("limit"))?;
    stream
        .write_all(&client_hello(&name_at(address)))
        .map_err(at("send"))?;
    let mut answer = [0; 512];
    let length = stream.read(&mut answer).map_err(at("answer"))?;
    if length == 0 {
        return Err(("answer", io::ErrorKind::UnexpectedEof.into()));
    }
    retransmissions(&stream).map_err(at("ask the kernel"))
}

/// Returns the number of retransmissions of a connection, including that of its SYN (tcp(7), `TCP_INFO`).
///
/// # Errors
/// When the kernel refuses.
pub fn retransmissions(stream: &TcpStream) -> io::Result<u32> {
    // SAFETY: a plain structure of integers, for which all zeros are valid.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the buffer has the given length, and both outlive the call.
    check(unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    })?;
    Ok(info.tcpi_total_retrans)
}

fn try_protected(plan: &Plan, round: usize, totals: &mut Totals) {
    for address in &plan.protected {
        record(
            totals,
            "tcp",
            *address,
            start_connecting((*address, 443).into()),
        );
        let port = PORTS[round % PORTS.len()];
        record(totals, "udp", *address, send((*address, port).into()));
    }
}

fn record(totals: &mut Totals, kind: &str, address: IpAddr, outcome: io::Result<()>) {
    match outcome {
        Err(error) if error.raw_os_error() == Some(libc::EPERM) => totals.refused += 1,
        Err(error) => count(&mut totals.passed, format!("{kind} {address}: {error}")),
        Ok(()) => count(&mut totals.passed, format!("{kind} {address}: sent")),
    }
}

/// Starts a connection without waiting for an answer.
fn start_connecting(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(()),
        other => other,
    }
}

fn send(address: SocketAddr) -> io::Result<()> {
    let any = if address.is_ipv4() { "0.0.0.0" } else { "::" };
    UdpSocket::bind((any, 0))?
        .send_to(b"data", address)
        .map(drop)
}

fn count(counts: &mut BTreeMap<String, u64>, what: String) {
    *counts.entry(what).or_default() += 1;
}
