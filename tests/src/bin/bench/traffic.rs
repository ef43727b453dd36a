//! Cost of enforcement for a sender: the same system calls on sockets of a cgroup in the scope and of one outside.
//!
//! A socket permanently belongs to the cgroup of the process that opened it. One process opens both, in one network namespace, and uses
//! them in turn.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr, UdpSocket},
    os::fd::AsRawFd,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lab::{Lab, fixtures::process::run, topology::cgroup::Cgroup};
use serde::{Deserialize, Serialize};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::stats::{Paired, median};

/// Rounds per comparison; each round is without, with, without.
const ROUNDS: usize = 25;
/// Datagrams per measurement.
const DATAGRAMS: usize = 16 * 1024;
/// Datagrams per system call.
const BATCH: usize = 64;
/// `connect` calls per measurement.
const CONNECTS: usize = 4000;
const PAYLOAD: [u8; 64] = [0; 64];

/// The destinations of the measurements.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) governed: std::path::PathBuf,
    pub(crate) elsewhere: Vec<IpAddr>,
    pub(crate) near: Vec<IpAddr>,
    pub(crate) allowed: IpAddr,
    pub(crate) denied: IpAddr,
}

/// The measured costs.
#[derive(Serialize, Deserialize)]
pub(crate) struct Costs {
    /// A datagram of 64 bytes to many addresses elsewhere.
    pub(crate) elsewhere: Paired,
    /// The same, to addresses next to protected prefixes.
    pub(crate) near: Paired,
    /// `connect` of a datagram socket to an allowed address: the hook without any packet.
    pub(crate) connect: Paired,
    /// Nanoseconds to `EPERM` of a TCP `connect` to a denied address.
    pub(crate) denied: f64,
}

/// Runs this program as a child in the device's network namespace, in a cgroup outside the scope.
///
/// # Errors
/// When it cannot be run or fails.
pub(crate) fn measure(lab: &Lab, order: &Order) -> Result<Costs> {
    let free: Cgroup = lab.cgroup().child("free")?;
    let mut command = lab.device_in(&free).command(std::env::current_exe()?);
    command.arg("traffic").arg(serde_json::to_string(order)?);
    let output = run(command, Duration::from_secs(120))?.success()?;
    serde_json::from_str(&output).context("read the costs of traffic")
}

/// The measuring process: prints [`Costs`].
///
/// # Errors
/// When a system call fails that must succeed.
pub(crate) fn child(order: &str) -> Result<String> {
    let order: Order = serde_json::from_str(order)?;
    let free = UdpSocket::bind("0.0.0.0:0")?;
    enter(&order.governed)?;
    let governed = UdpSocket::bind("0.0.0.0:0")?;
    let tcp = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let sockets = [&free, &governed];
    let costs = Costs {
        elsewhere: compare(sockets, |socket| send(socket, &order.elsewhere))?,
        near: compare(sockets, |socket| send(socket, &order.near))?,
        connect: compare(sockets, |socket| connect(socket, order.allowed))?,
        denied: time_to_eperm(&tcp, order.denied)?,
    };
    Ok(serde_json::to_string(&costs)?)
}

/// Moves this process into a cgroup (cgroups(7)).
fn enter(cgroup: &Path) -> Result<()> {
    fs::write(cgroup.join("cgroup.procs"), "0").context("enter the cgroup in the scope")
}

fn compare<S>([free, governed]: [&S; 2], work: impl Fn(&S) -> Result<f64>) -> Result<Paired> {
    work(free)?;
    work(governed)?;
    let rounds: Result<Vec<_>> = (0..ROUNDS)
        .map(|_| Ok([work(free)?, work(governed)?, work(free)?]))
        .collect();
    Ok(Paired::of(&rounds?))
}

/// Returns the mean duration per datagram in nanoseconds.
fn send(socket: &UdpSocket, to: &[IpAddr]) -> Result<f64> {
    let addresses: Vec<SockAddr> = to.iter().map(|ip| SocketAddr::new(*ip, 9).into()).collect();
    let mut payload = libc::iovec {
        iov_base: PAYLOAD.as_ptr().cast_mut().cast(),
        iov_len: PAYLOAD.len(),
    };
    let mut messages: Vec<libc::mmsghdr> = addresses
        .iter()
        .map(|address| message(address, &mut payload))
        .collect();
    let started = Instant::now();
    let mut sent = 0;
    while sent < DATAGRAMS {
        for batch in messages.chunks_mut(BATCH) {
            let wanted = u32::try_from(batch.len())?;
            // SAFETY: every message points to an address and a payload that outlive the call.
            let count =
                unsafe { libc::sendmmsg(socket.as_raw_fd(), batch.as_mut_ptr(), wanted, 0) };
            ensure!(
                count == i32::try_from(wanted)?,
                "sendmmsg: {}",
                io::Error::last_os_error()
            );
            sent += batch.len();
        }
    }
    Ok(started.elapsed().as_secs_f64() * 1e9 / sent as f64)
}

fn message(address: &SockAddr, payload: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: all zero is a valid empty message.
    let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
    message.msg_hdr.msg_name = address.as_ptr().cast_mut().cast();
    message.msg_hdr.msg_namelen = address.len();
    message.msg_hdr.msg_iov = payload;
    message.msg_hdr.msg_iovlen = 1;
    message
}

/// Returns the mean duration of `connect` on a datagram socket in nanoseconds.
fn connect(socket: &UdpSocket, to: IpAddr) -> Result<f64> {
    let target = SockAddr::from(SocketAddr::new(to, 443));
    let socket = socket2::SockRef::from(socket);
    let started = Instant::now();
    for _call in 0..CONNECTS {
        socket.connect(&target)?;
    }
    Ok(started.elapsed().as_secs_f64() * 1e9 / CONNECTS as f64)
}

fn time_to_eperm(socket: &Socket, to: IpAddr) -> Result<f64> {
    let target = SockAddr::from(SocketAddr::new(to, 443));
    let mut times = Vec::new();
    for _call in 0..CONNECTS {
        let started = Instant::now();
        let refused = socket.connect(&target);
        times.push(started.elapsed().as_secs_f64() * 1e9);
        let errno = refused.err().and_then(|error| error.raw_os_error());
        ensure!(
            errno == Some(libc::EPERM),
            "connect to a denied address: errno {errno:?}"
        );
    }
    Ok(median(times))
}
