//! Cost of a frame in the programs of network devices, beside that of its packet in the programs of cgroups: real traffic in turn through each program and
//! through one that does nothing in its place.

use std::{
    fmt::{self, Display, Formatter},
    fs,
    os::fd::OwnedFd,
};

use anyhow::{Context as _, Result};
use enforcer::sys;
use enforcer_common::{
    Hook,
    layout::{DEVICE_EGRESS, DEVICE_INGRESS, LinkHeader},
};
use lab::{
    bpf::{
        self, Attach, AttachPoint, Program, device_programs::DevicePrograms,
        loaded_policy::LoadedPolicy,
    },
    topology::{cgroup::Cgroup, netns::Netns, network::Network},
};

use crate::{
    flows::{self, LOGIN_AT, PACKETS, ROUNDS, Sender},
    packets,
    stats::{Paired, spread},
};

/// Addresses that are neither protected nor allowed.
const ELSEWHERE: [(&str, &str); 2] = [("IPv4", "192.0.2.80"), ("IPv6", "2001:db8:80::80")];
const DEVICE: &str = "eth0";
/// Answers per measurement: a server acknowledges several packets at once.
const ANSWERS: usize = PACKETS / 100;

/// The figures by what is sent.
pub(crate) struct Devices(Vec<Row>);

struct Row {
    title: String,
    /// In the program of the sender's cgroup; `None` for a container's packets, which are not measured there.
    cgroup: Option<Paired>,
    /// In the program on the way out by the device.
    egress: Paired,
    /// In the program on the way in, for each answer.
    ingress: Option<Paired>,
}

/// A device in a network namespace of its own, with a container behind it.
struct Host {
    network: Network,
    container: Netns,
    cgroup: Cgroup,
    /// Index of the device.
    index: u32,
    /// Programs that do nothing, for a cgroup and for a device.
    no_op: [Program; 2],
    /// The programs of the cgroup, and of the device on the way out and in.
    judges: [Program; 3],
}

/// Measures nanoseconds per packet.
///
/// # Errors
/// When the kernel or the network fails.
pub(crate) fn measure() -> Result<Devices> {
    let mut loaded = LoadedPolicy::new()?;
    loaded.apply(&flows::protected()?, &flows::inputs()?)?;
    let mut programs = DevicePrograms::load(&loaded)?;
    let host = Host::new(&loaded)?;
    programs.set_device(host.index, LinkHeader::Ethernet)?;
    let _counted = bpf::count_runs()?;
    let mut rows = Vec::new();
    for (kind, word, addresses) in [
        ("elsewhere", "datagrams", ELSEWHERE),
        ("open connection", "send", LOGIN_AT),
    ] {
        let has_answers = word == "send";
        for (family, address) in addresses {
            let env = host.network.device_env().in_cgroup(&host.cgroup);
            let mut sender = Sender::start(&env, [word, address])?;
            let title = format!("{kind}, {family}");
            let row = host.local(title.clone(), &mut sender, has_answers);
            rows.push(row.context(title)?);
            // The server takes one connection at a time.
            drop(sender);
            let mut sender = Sender::start(&host.container.env(), [word, address])?;
            let title = format!("{kind}, {family}, of a container");
            let row = host.forwarded(title.clone(), &mut sender, has_answers);
            rows.push(row.context(title)?);
        }
    }
    Ok(Devices(rows))
}

impl Host {
    fn new(loaded: &LoadedPolicy) -> Result<Self> {
        let network = Network::new(loaded.scratch(), loaded.cgroup())?;
        flows::serve(&network)?;
        let index = network.device().run(|| {
            let device = sys::devices()?.into_iter().find(|it| it.name == DEVICE);
            Ok(device.context("no device")?.index)
        })?;
        Ok(Self {
            container: container(&network)?,
            cgroup: loaded.cgroup().child("device")?,
            network,
            index,
            no_op: [packets::no_op()?, packets::filter_no_op()?],
            judges: [
                loaded.newest(Hook::Egress.word())?,
                loaded.newest(DEVICE_EGRESS)?,
                loaded.newest(DEVICE_INGRESS)?,
            ],
        })
    }

    /// Measures what a socket of the host sends.
    fn local(&self, title: String, sender: &mut Sender, has_answers: bool) -> Result<Row> {
        let [judge, _, _] = &self.judges;
        let mut mean = |program: &Program| {
            let _link = flows::attach(&self.cgroup, program)?;
            sender.packet(program)
        };
        // The first packets carry the ClientHello.
        mean(judge)?;
        let cgroup = flows::rounds(&self.no_op[0], judge, mean)?;
        let _link = flows::attach(&self.cgroup, judge)?;
        Ok(Row {
            cgroup: Some(cgroup),
            ..self.forwarded(title, sender, has_answers)?
        })
    }

    /// Measures what passes the device, and the answers.
    fn forwarded(&self, title: String, sender: &mut Sender, has_answers: bool) -> Result<Row> {
        let [_, egress, ingress] = &self.judges;
        let [_, no_op] = &self.no_op;
        let answers = self.attach(AttachPoint::TcxIngress, ingress)?;
        let mut mean = |program: &Program| {
            let _link = self.attach(AttachPoint::Tcx, program)?;
            sender.packet(program)
        };
        mean(egress)?;
        let out = flows::rounds(no_op, egress, mean)?;
        drop(answers);
        let mut mean = |program: &Program| {
            let _link = self.attach(AttachPoint::TcxIngress, program)?;
            sender.runs(program, ANSWERS)
        };
        Ok(Row {
            title,
            cgroup: None,
            egress: out,
            ingress: has_answers
                .then(|| flows::rounds(no_op, ingress, &mut mean))
                .transpose()?,
        })
    }

    fn attach(&self, point: AttachPoint, program: &Program) -> Result<OwnedFd> {
        let attach = || Ok(program.attach(point, self.index, Attach::default())?);
        let attached = self.network.device().run(attach);
        attached.context("attach a program to a device")
    }
}

/// A network namespace whose packets the device's forwards.
fn container(network: &Network) -> Result<Netns> {
    let container = Netns::new()?;
    network.device().ip(&format!(
        "link add inside type veth peer name eth0 netns {}\n\
         address add 10.99.0.1/24 dev inside\n\
         address add fd99::1/64 dev inside nodad\n\
         link set inside up\n",
        container.path().display()
    ))?;
    network.device().run(|| {
        for file in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            fs::write(format!("/proc/sys/net/{file}"), "1").context(file)?;
        }
        Ok(())
    })?;
    container.ip("link set lo up\n\
         address add 10.99.0.2/24 dev eth0\n\
         address add fd99::2/64 dev eth0 nodad\n\
         link set eth0 up\n\
         route add default via 10.99.0.1\n\
         route add default via fd99::1\n")?;
    network
        .cloud()
        .ip("route add 10.99.0.0/24 via 10.53.0.2\nroute add fd99::/64 via fd53::2\n")?;
    Ok(container)
}

impl Display for Devices {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "## At a network device\n\n\
             With `[frames]`: real packets of 100 bytes, {ROUNDS} times {PACKETS} through each program, counters included, between as many through\n\
             one that does nothing in its place, as the kernel counts the runs of programs. *Cgroup* is the program that judges the same\n\
             packets of the host's sockets anyway; *ratio* is that of the device's to it, for a container's packets to that of the host's\n\
             above. `./x bench -- devices` measures this alone.\n\n\
             | packet | cgroup, ns | device, ns | ratio | noise | answer, ns |\n|---|---|---|---|---|---|"
        )?;
        let mut judged = f64::NAN;
        for row in &self.0 {
            let cost = |paired: &Option<Paired>| {
                let paired = paired.as_ref();
                paired.map_or("–".to_owned(), |paired| spread(paired.added))
            };
            if let Some(cgroup) = &row.cgroup {
                judged = cgroup.added[1];
            }
            let (device, noise) = (spread(row.egress.added), spread(row.egress.noise));
            let ratio = row.egress.added[1] / judged;
            let (cgroup, answer) = (cost(&row.cgroup), cost(&row.ingress));
            let title = &row.title;
            writeln!(
                out,
                "| {title} | {cgroup} | {device} | {ratio:.2} | {noise} | {answer} |"
            )?;
        }
        writeln!(out)
    }
}
