//! Cost of a packet of an open connection: real packets in turn through the attached program and through a no-op program.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
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
    topology::{addresses::REGISTRIES, cgroup::Cgroup, network::Network},
};
use test_data::client_hello::client_hello;

use crate::{
    packets::no_op,
    stats::{Paired, mean_run},
};

/// Packets per measurement, and number of measurements.
pub(crate) const PACKETS: usize = 4_000;
pub(crate) const ROUNDS: usize = 25;
const PACKET: [u8; 100] = [0x17; 100];
const LOGIN_AT: [(&str, &str); 2] = [("IPv4", "198.51.100.10"), ("IPv6", "2001:db8:acc::10")];

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
    let (no_op, egress) = (no_op()?, newest(Hook::Egress.word())?);
    let _counted = bpf::count_runs()?;
    let flow = |(family, address)| {
        let mut sender = Sender::start(&network, &device, address)?;
        let mut mean = |program: &Program| {
            let _link = attach(&device, program)?;
            sender.packet(program)
        };
        // The first packets carry the ClientHello.
        mean(&egress)?;
        let mut rounds = Vec::new();
        for _round in 0..ROUNDS {
            rounds.push([mean(&no_op)?, mean(&egress)?, mean(&no_op)?]);
        }
        Ok((family, Paired::of(&rounds)))
    };
    LOGIN_AT.into_iter().map(flow).collect()
}

/// The sending process: sends [`PACKETS`] packets for each input line, and a ClientHello before the first.
///
/// # Errors
/// When a call fails.
pub(crate) fn child(address: &str) -> Result<String> {
    let address: IpAddr = address.parse()?;
    let mut open = None;
    for line in io::stdin().lock().lines() {
        line?;
        let stream = match &mut open {
            Some(stream) => stream,
            None => open.insert(connect(address)?),
        };
        for _packet in 0..PACKETS {
            stream.write_all(&PACKET)?;
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

struct Sender {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Sender {
    fn start(network: &Network, device: &Cgroup, address: &str) -> Result<Self> {
        let env = network.device_env().in_cgroup(device);
        let mut command = env.command(std::env::current_exe()?);
        command.args(["send", address]);
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
    fn packet(&mut self, program: &Program) -> Result<f64> {
        let before = program.ran()?;
        self.send()?;
        // TCP coalesces data that waits for the window, so that there are fewer packets.
        mean_run(before, program.ran()?, PACKETS / 4)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn protected() -> Result<Protected> {
    let prefixes: Result<Vec<_>, _> = REGISTRIES.iter().map(|text| text.parse()).collect();
    Ok(Protected {
        layers: vec![Layer {
            class: Class::Registry,
            prefixes: prefixes?,
        }],
        ..Protected::default()
    })
}

fn inputs() -> Result<Inputs> {
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

/// Accepts and discards all data to port 443 in the cloud.
fn serve(network: &Network) -> Result<()> {
    let server: TcpListener = network.cloud().run(|| {
        let address: SocketAddr = "[::]:443".parse()?;
        Ok(TcpListener::bind(address)?)
    })?;
    thread::spawn(move || {
        for mut stream in server.incoming().flatten() {
            let mut buffer = vec![0; 1 << 16];
            while stream.read(&mut buffer).is_ok_and(|length| length > 0) {}
        }
    });
    Ok(())
}

fn attach(cgroup: &Cgroup, program: &Program) -> Result<OwnedFd> {
    let cgroup = File::open(cgroup.path())?;
    let target = cgroup.as_raw_fd().try_into()?;
    let attached = program.attach(AttachPoint::Egress, target, Attach::default());
    attached.context("attach a program")
}

/// Returns the most recently loaded program of this name.
fn newest(name: &str) -> Result<Program> {
    for id in Program::ids()?.into_iter().rev() {
        let program = Program::by_id(id)?;
        if program.info()?.name == name {
            return Ok(program);
        }
    }
    anyhow::bail!("no program {name} is loaded")
}
