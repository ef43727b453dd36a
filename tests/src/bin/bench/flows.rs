//! Cost of a packet of an open connection: real packets in turn through the attached program and through a no-op program.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsRawFd as _, OwnedFd},
    process::{Child, ChildStdin, ChildStdout, Stdio},
    thread,
};

use anyhow::{Context as _, Result, ensure};
use enforcer::policy::{EVERYBODY, Inputs, Layer, NameInput, Protected};
use enforcer_common::{Class, Hook};
use lab::{
    CONTOSO_LOGIN,
    bpf::{self, Attach, AttachPoint, Program, loaded_policy::LoadedPolicy},
    fixtures::process_env::ProcessEnv,
    topology::{addresses::REGISTRIES, cgroup::Cgroup, network::Network},
};
use socket2::SockRef;
use test_data::client_hello::client_hello;

use crate::{
    packets::no_op,
    stats::{Paired, mean_run},
};

/// Packets per measurement, and number of measurements.
pub(crate) const PACKETS: usize = 4_000;
pub(crate) const ROUNDS: usize = 25;
const PACKET: [u8; 100] = [0x17; 100];
/// Port of the discard service (RFC 863).
const DISCARD: u16 = 9;
/// Addresses of the allowed name.
pub(crate) const LOGIN_AT: [(&str, &str); 2] =
    [("IPv4", "198.51.100.10"), ("IPv6", "2001:db8:acc::10")];

/// Measures nanoseconds per packet, by address family.
///
/// # Errors
/// When the kernel or the network fails.
pub(crate) fn measure() -> Result<Vec<(&'static str, Paired)>> {
    let mut loaded = LoadedPolicy::new()?;
    let network = Network::new(loaded.scratch(), loaded.cgroup())?;
    loaded.apply(&protected()?, &inputs()?)?;
    serve(&network)?;
    let device = loaded.cgroup().child("device")?;
    let (no_op, egress) = (no_op()?, loaded.newest(Hook::Egress.word())?);
    let _counted = bpf::count_runs()?;
    let flow = |(family, address)| {
        let env = network.device_env().in_cgroup(&device);
        let mut sender = Sender::start(&env, ["send", address])?;
        let mut mean = |program: &Program| {
            let _link = attach(&device, program)?;
            sender.packet(program)
        };
        // The first packets carry the ClientHello.
        mean(&egress)?;
        Ok((family, rounds(&no_op, &egress, mean)?))
    };
    LOGIN_AT.into_iter().map(flow).collect()
}

/// Compares a program with one that does nothing in its place.
///
/// # Errors
/// When a measurement fails.
pub(crate) fn rounds(
    no_op: &Program,
    program: &Program,
    mut mean: impl FnMut(&Program) -> Result<f64>,
) -> Result<Paired> {
    let mut rounds = Vec::new();
    for _round in 0..ROUNDS {
        rounds.push([mean(no_op)?, mean(program)?, mean(no_op)?]);
    }
    Ok(Paired::of(&rounds))
}

/// A sending process: sends [`PACKETS`] packets for each input line, and a ClientHello before the first.
///
/// # Errors
/// When a call fails.
pub(crate) fn child(address: &str) -> Result<String> {
    let address: IpAddr = address.parse()?;
    let mut open = None;
    for_each_line(|| {
        let stream = match &mut open {
            Some(stream) => stream,
            None => open.insert(connect(address)?),
        };
        // With this flag, TCP does not coalesce it with others that wait for the window.
        let sent = SockRef::from(&*stream).send_with_flags(&PACKET, libc::MSG_EOR)?;
        ensure!(sent == PACKET.len(), "{sent} bytes sent");
        Ok(())
    })
}

/// A sending process: sends [`PACKETS`] datagrams for each input line.
///
/// # Errors
/// When a call fails.
pub(crate) fn datagrams(address: &str) -> Result<String> {
    let address = SocketAddr::new(address.parse()?, DISCARD);
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    for_each_line(|| Ok(socket.send_to(&PACKET, address).map(drop)?))
}

fn for_each_line(mut send: impl FnMut() -> Result<()>) -> Result<String> {
    for line in io::stdin().lock().lines() {
        line?;
        for _packet in 0..PACKETS {
            send()?;
        }
        let mut out = io::stdout().lock();
        out.write_all(b"sent\n")?;
        out.flush()?;
    }
    Ok(String::new())
}

fn connect(address: IpAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect((address, 443))?;
    stream.set_nodelay(true)?;
    stream.write_all(&client_hello(CONTOSO_LOGIN))?;
    Ok(stream)
}

/// A process that sends [`PACKETS`] packets when told to.
pub(crate) struct Sender {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Sender {
    /// Starts this program with these arguments, as a sender.
    ///
    /// # Errors
    /// When it cannot be run.
    pub(crate) fn start(env: &ProcessEnv, arguments: [&str; 2]) -> Result<Self> {
        let mut command = env.command(std::env::current_exe()?);
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().context("start a sender")?;
        Ok(Self {
            to: process.stdin.take().context("no pipe to the sender")?,
            from: BufReader::new(process.stdout.take().context("no pipe from the sender")?),
            process,
        })
    }

    fn send(&mut self) -> Result<()> {
        self.to.write_all(b"\n")?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        ensure!(
            line == "sent\n",
            "unexpected output of the sender: {line:?}"
        );
        Ok(())
    }

    /// Returns the mean duration of `program` per packet in nanoseconds.
    ///
    /// # Errors
    /// When it ran less often than for a quarter of the packets.
    pub(crate) fn packet(&mut self, program: &Program) -> Result<f64> {
        self.runs(program, PACKETS / 4)
    }

    /// Returns the mean duration of `program` in nanoseconds, over at least `least` runs.
    ///
    /// # Errors
    /// When it ran less often.
    pub(crate) fn runs(&mut self, program: &Program, least: usize) -> Result<f64> {
        let before = program.ran()?;
        self.send()?;
        mean_run(before, program.ran()?, least)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The policy of the measurements: the lab's registries.
pub(crate) fn protected() -> Result<Protected> {
    let prefixes: Result<Vec<_>, _> = REGISTRIES.iter().map(|text| text.parse()).collect();
    Ok(Protected {
        layers: vec![Layer {
            class: Class::Registry,
            prefixes: prefixes?,
        }],
        ..Protected::default()
    })
}

/// The allowed name, with its addresses.
pub(crate) fn inputs() -> Result<Inputs> {
    let addresses: Result<Vec<IpAddr>, _> = LOGIN_AT.iter().map(|(_, ip)| ip.parse()).collect();
    let addresses = addresses?;
    Ok(Inputs {
        default_allow: true,
        allowed: addresses.clone(),
        names: vec![NameInput {
            text: CONTOSO_LOGIN.to_owned(),
            id: 1,
            scopes: vec![EVERYBODY],
            addresses,
            ..NameInput::default()
        }],
        ..Inputs::default()
    })
}

/// Accepts and discards all data to port 443 in the cloud, and all datagrams to [`DISCARD`].
pub(crate) fn serve(network: &Network) -> Result<()> {
    let (server, datagrams) = network.cloud().run(|| {
        let server = TcpListener::bind("[::]:443")?;
        Ok((server, UdpSocket::bind((Ipv6Addr::UNSPECIFIED, DISCARD))?))
    })?;
    thread::spawn(move || {
        let mut buffer = [0; 1 << 11];
        while datagrams.recv(&mut buffer).is_ok() {}
    });
    thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let mut buffer = vec![0; 1 << 16];
            while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
        }
    });
    Ok(())
}

/// Attaches a program to a cgroup.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn attach(cgroup: &Cgroup, program: &Program) -> Result<OwnedFd> {
    let cgroup = File::open(cgroup.path())?;
    let target = cgroup.as_raw_fd().try_into()?;
    let attached = program.attach(AttachPoint::Egress, target, Attach::default());
    attached.context("attach a program")
}
