//! Measures the daemon with the bundled service tags in a lab.

use std::{
    fs,
    net::IpAddr,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use enforcer::policy::{Layer, Protected, compile_tables};
use enforcer_common::{Class, Hook, layout::VERSION};
use lab::{
    CONTOSO_LOGIN, Lab,
    bpf::Program,
    fixtures::enforcer::{Enforcer, binary},
};

use crate::{
    devices::{self, Devices},
    handshakes::{self, Handshakes},
    machine::Machine,
    memory::{self, Resident},
    names::{self, Names},
    packets::{self, Cost, passes},
    start::{self, Start},
    stats::{median, quartiles},
    switching,
    targets::{Targets, with_bundle},
    traffic::{self, Costs, Order},
};

/// Number of measured starts.
const STARTS: usize = 10;
/// Time of the second memory measurement.
const LATER: Duration = Duration::from_secs(60);
const NAMES_WITHIN: Duration = Duration::from_secs(15);

/// All figures of the report.
pub(crate) struct Figures {
    pub(crate) machine: Machine,
    /// Size of the binary in bytes.
    pub(crate) binary: u64,
    pub(crate) is_static: bool,
    /// Milliseconds from `exec` to enforcing: quartiles.
    pub(crate) start: [f64; 3],
    /// Processor time of a start in milliseconds.
    pub(crate) start_processor: f64,
    pub(crate) memory_at_start: Resident,
    pub(crate) memory_later: Resident,
    pub(crate) packets: Vec<Cost>,
    pub(crate) handshakes: Handshakes,
    pub(crate) devices: Devices,
    pub(crate) traffic: Costs,
    pub(crate) names: Names,
    pub(crate) sizes: Sizes,
    /// Kernel memory in bytes by map.
    pub(crate) maps: Vec<(&'static str, u64)>,
    /// Milliseconds.
    pub(crate) switch: f64,
    pub(crate) reload: f64,
}

/// Sizes of the bundle and of the tables compiled from it.
pub(crate) struct Sizes {
    pub(crate) change_number: u32,
    pub(crate) date: String,
    pub(crate) v4_prefixes: usize,
    pub(crate) v6_prefixes: usize,
    pub(crate) blocks: usize,
    pub(crate) rows: usize,
}

/// Runs all measurements, in about three minutes.
///
/// # Errors
/// When the lab or the daemon fails.
pub(crate) fn measure() -> Result<Figures> {
    let machine = Machine::look()?;
    let names = names::measure()?;
    let handshakes = handshakes::measure()?;
    let devices = devices::measure()?;
    let mut targets = Targets::load()?;
    let lab = Lab::start()?;
    let allowed = targets.allowed()?;
    for name in [CONTOSO_LOGIN, "contoso.eastus.data.azurecr.io"] {
        lab.dns().set_addresses(name, &allowed, 10)?;
    }
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let base = with_bundle(&lab, &enforcer, &["eastus"], &[])?;
    enforcer.configure(&base)?;
    let denied = targets.denied_v4()?;
    let starts = starts(&lab, &mut enforcer, denied)?;

    enforcer.run()?;
    let started = Instant::now();
    let pins = lab.bpffs().join(format!("pins/v{VERSION}"));
    let program = Program::of_link(&pins.join(format!("link_{}", Hook::Egress.word())))?;
    await_allowed(&program, allowed)?;
    let memory_at_start = Resident::of(enforcer.pid()?)?;
    let packets = packets::measure(&program, &mut targets)?;
    let order = Order {
        governed: lab.device_cgroup().path().to_owned(),
        elsewhere: targets.internet(1024),
        near: targets.near_misses(false)?,
        allowed: allowed[0],
        denied,
    };
    let traffic = traffic::measure(&lab, &order)?;
    sleep(LATER.saturating_sub(started.elapsed()));
    let memory_later = Resident::of(enforcer.pid()?)?;

    let elsewhere = order.elsewhere[0];
    let protecting = with_bundle(&lab, &enforcer, &["eastus"], &[elsewhere])?;
    Ok(Figures {
        machine,
        binary: fs::metadata(binary()?)?.len(),
        is_static: is_static(&binary()?)?,
        start: quartiles(starts.iter().map(|start| start.enforcing)),
        start_processor: median(starts.iter().map(|start| start.processor)),
        memory_at_start,
        memory_later,
        packets,
        handshakes,
        devices,
        traffic,
        names,
        sizes: sizes(&targets)?,
        maps: memory::of_maps(&pins)?,
        switch: switching::bare(&pins)?,
        reload: switching::reload(&enforcer, &program, elsewhere, [&base, &protecting])?,
    })
}

/// Measures several starts, each without pins.
fn starts(lab: &Lab, enforcer: &mut Enforcer, denied: IpAddr) -> Result<Vec<Start>> {
    let mut starts = Vec::new();
    for _start in 0..STARTS {
        starts.push(start::measure(lab, enforcer, denied)?);
        enforcer.kill()?;
        enforcer.cli(["unload"])?.success()?;
    }
    Ok(starts)
}

fn await_allowed(program: &Program, allowed: [IpAddr; 2]) -> Result<()> {
    let deadline = Instant::now() + NAMES_WITHIN;
    for address in allowed {
        while !passes(program, address)? {
            ensure!(
                Instant::now() < deadline,
                "{address} is not allowed in time"
            );
            sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

fn sizes(targets: &Targets) -> Result<Sizes> {
    let (storage, registries) = (targets.storage()?, targets.registries()?);
    let layer = |class, prefixes: Vec<_>| Layer { class, prefixes };
    let tables = compile_tables(&Protected {
        layers: vec![
            layer(Class::Storage, storage.iter().collect()),
            layer(Class::Registry, registries.iter().collect()),
        ],
        nat64: Vec::new(),
        exempt: Vec::new(),
    })?;
    let bundle = &targets.bundle;
    Ok(Sizes {
        change_number: bundle.change_number,
        date: bundle
            .date
            .map_or("unknown".to_owned(), |date| date.to_string()),
        v4_prefixes: storage.v4().len() + registries.v4().len(),
        v6_prefixes: storage.v6().len() + registries.v6().len(),
        blocks: tables.blocks.len(),
        rows: tables.rows.len(),
    })
}

/// Whether the binary needs no dynamic linker: `PT_INTERP` contains its path as text (elf(5)).
fn is_static(binary: &Path) -> Result<bool> {
    let bytes = fs::read(binary)?;
    let head = &bytes[..bytes.len().min(4096)];
    Ok(!head.windows(8).any(|window| window == b"ld-linux"))
}
