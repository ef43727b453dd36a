//! Cost of name checks in the kernel: packets of a verified connection, the ClientHello itself, and DNS messages.

use std::{
    fmt::{self, Display, Formatter},
    net::{IpAddr, ToSocketAddrs as _},
    time::Duration,
};

use anyhow::{Result, ensure};
use enforcer_common::{
    Hook,
    layout::{DNS_SNOOP, EXPLAIN, VERSION},
};
use lab::{
    CONTOSO_LOGIN, Lab,
    bpf::{self, Program},
    fixtures::{enforcer::Enforcer, process::run},
};
use test_data::client_hello::ClientHello;

use crate::{
    flows::{self, PACKETS, ROUNDS},
    packets::{no_op, segment},
    stats::{Paired, mean_run, quartiles, spread},
    targets::{Targets, with_bundle},
};

/// Runs per measurement in a loop.
const REPEAT: u32 = 10_000;
/// Number of measured ClientHellos.
const HELLOS: usize = 2_000;
/// Padding in bytes for the size of a classic ClientHello of OpenSSL, and of a post-quantum one.
const PADDINGS: [(&str, u16); 2] = [("classic", 400), ("post-quantum", 1_670)];
/// Number of lookups of the login server, with one query per address family each.
const LOOKUPS: usize = 2_000;
/// Budget in nanoseconds per packet.
const BUDGET: f64 = 25.0;

/// The figures.
pub(crate) struct Handshakes {
    /// Cost of a packet of a verified connection, by address family: in a loop of test runs, and in real traffic.
    looped: Vec<(&'static str, Paired)>,
    open: Vec<(&'static str, Paired)>,
    hellos: Vec<Hello>,
    /// Nanoseconds per DNS query (`egress`) and per answer (`learn`).
    asks: f64,
    answers: f64,
}

struct Hello {
    title: String,
    bytes: usize,
    /// Nanoseconds in addition to those of a no-op program.
    added: [f64; 3],
}

/// Measures in separate labs: verified connections and DNS with the attached programs and real traffic; ClientHellos with `explain`, which
/// decides as the attached program does and accepts the artificial socket of a test run as a client's.
///
/// # Errors
/// When the lab, the daemon or the kernel fails.
pub(crate) fn measure() -> Result<Handshakes> {
    let open = flows::measure()?;
    let targets = Targets::load()?;
    let lab = Lab::start()?;
    let allowed = targets.allowed()?;
    for name in [CONTOSO_LOGIN, "contoso.eastus.data.azurecr.io"] {
        lab.dns().set_addresses(name, &allowed, 10)?;
    }
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    enforcer.configure(&with_bundle(&lab, &enforcer, &["eastus"], &[])?)?;
    enforcer.run()?;
    enforcer.await_names()?;
    let pins = lab.bpffs().join(format!("pins/v{VERSION}"));
    let link = |name: &str| Program::of_link(&pins.join(format!("link_{name}")));
    let explain = Program::pinned(&pins.join(format!("program_{EXPLAIN}")))?;
    let no_op = no_op()?;
    let mut looped = Vec::new();
    let mut hellos = Vec::new();
    for (family, address) in ["IPv4", "IPv6"].into_iter().zip(allowed) {
        let packet = hello_to(address, PADDINGS[0].1);
        ensure!(explain.run(&packet, 2)?.0 == 1, "the hello does not pass");
        looped.push((family, compare(&no_op, &explain, &packet)?));
        for kind in PADDINGS {
            hellos.push(Hello::measure(kind, (family, address), [&no_op, &explain])?);
        }
    }
    let [asks, answers] = lookups(&lab, [&link(Hook::Egress.word())?, &link(DNS_SNOOP)?])?;
    Ok(Handshakes {
        looped,
        open,
        hellos,
        asks,
        answers,
    })
}

/// The process that makes the lookups.
///
/// # Errors
/// When a name does not resolve.
pub(crate) fn child() -> Result<String> {
    for _lookup in 0..LOOKUPS {
        let mut found = (CONTOSO_LOGIN, 443).to_socket_addrs()?;
        ensure!(found.next().is_some(), "{CONTOSO_LOGIN} has no address");
    }
    Ok(String::new())
}

impl Hello {
    fn measure(
        (kind, padding): (&str, u16),
        (family, address): (&str, IpAddr),
        [without, with]: [&Program; 2],
    ) -> Result<Self> {
        Ok(Self {
            title: format!("{kind}, {family}"),
            bytes: hello(padding).len(),
            added: one_at_a_time(without, with, &hello_to(address, padding))?,
        })
    }
}

fn hello_to(address: IpAddr, padding: u16) -> Vec<u8> {
    segment(address, &hello(padding))
}

fn hello(padding: u16) -> Vec<u8> {
    ClientHello::tls12(CONTOSO_LOGIN).padded(padding).bytes()
}

/// Compares runs on one socket: the first one parses the ClientHello, all others find the connection verified.
fn compare(without: &Program, with: &Program, packet: &[u8]) -> Result<Paired> {
    let mean = |program: &Program| -> Result<f64> {
        Ok(program.run(packet, REPEAT)?.1.as_secs_f64() * 1e9)
    };
    let mut rounds = Vec::new();
    for _round in 0..ROUNDS {
        rounds.push([mean(without)?, mean(with)?, mean(without)?]);
    }
    Ok(Paired::of(&rounds))
}

/// Compares runs with a new socket each.
fn one_at_a_time(without: &Program, with: &Program, packet: &[u8]) -> Result<[f64; 3]> {
    let mut added = Vec::new();
    for _hello in 0..HELLOS {
        let [before, after] = [without.run(packet, 1)?.1, with.run(packet, 1)?.1];
        added.push((after.as_secs_f64() - before.as_secs_f64()) * 1e9);
    }
    Ok(quartiles(added))
}

/// Returns the mean duration of a run of each program while a process on the device only looks up names.
fn lookups(lab: &Lab, programs: [&Program; 2]) -> Result<[f64; 2]> {
    let counted = bpf::count_runs()?;
    let before = [programs[0].ran()?, programs[1].ran()?];
    let mut command = lab.device().command(std::env::current_exe()?);
    command.arg("look-up");
    run(command, Duration::from_secs(120))?.success()?;
    let after = [programs[0].ran()?, programs[1].ran()?];
    drop(counted);
    let mut means = [0.0; 2];
    for ((mean, before), after) in means.iter_mut().zip(before).zip(after) {
        *mean = mean_run(before, after, LOOKUPS)?;
    }
    Ok(means)
}

impl Display for Handshakes {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "## Names in the kernel\n\n\
             A packet of a connection whose ClientHello carried an allowed name, over a program that does nothing. *In a loop*: test\n\
             runs of `explain`, which judges like the attached program, {REPEAT} on one socket; the budget is for this, as are the costs\n\
             above. *In traffic*: {ROUNDS} times {PACKETS} real packets of 100 bytes through the attached program, counters included, between as\n\
             many through one that does nothing in its place, as the kernel counts the runs of programs; the rest of the stack has used\n\
             the caches in between. A ClientHello is measured by test runs, each on a socket of its own: that includes the allocation\n\
             of the socket's storage, and the system call makes it inexact. `./x bench -- handshakes` measures this alone.\n\n\
             | what | added, ns | noise | budget | |\n|---|---|---|---|---|"
        )?;
        for (family, cost) in &self.looped {
            let judged = if cost.added[1] <= BUDGET {
                "within"
            } else {
                "OVER"
            };
            let (added, noise) = (spread(cost.added), spread(cost.noise));
            writeln!(
                out,
                "| packet of an open connection, {family}, in a loop | {added} | {noise} | {BUDGET} | {judged} |"
            )?;
        }
        for (family, cost) in &self.open {
            let (added, noise) = (spread(cost.added), spread(cost.noise));
            writeln!(
                out,
                "| packet of an open connection, {family}, in traffic | {added} | {noise} | | |"
            )?;
        }
        for hello in &self.hellos {
            let (bytes, added) = (hello.bytes, spread(hello.added));
            writeln!(
                out,
                "| ClientHello of {bytes} bytes, {} | {added} | | | |",
                hello.title
            )?;
        }
        writeln!(
            out,
            "\nA DNS query of the host costs {:.0} ns in the egress program, and the answer, whose addresses it allows, {:.0} ns in the\n\
             ingress program (means of {LOOKUPS} look-ups of the login server in both families, as the kernel counts the runs of\n\
             programs).\n",
            self.asks, self.answers
        )
    }
}
