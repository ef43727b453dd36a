//! Cost of following many names: ten registries with six replicas each, with a TTL of ten seconds.

use std::{
    fmt::{self, Display, Formatter},
    fs,
    net::IpAddr,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use lab::{Lab, fixtures::enforcer::Enforcer};

use crate::{
    memory::Resident,
    targets::{Targets, with_bundle},
};

const REGISTRIES: usize = 10;
const REGIONS: [&str; 6] = [
    "eastus",
    "westeurope",
    "swedencentral",
    "japaneast",
    "brazilsouth",
    "uksouth",
];
/// Seconds.
const TTL: u32 = 10;
/// Time before the measurement.
const WARM_UP: Duration = Duration::from_secs(15);
/// Duration of the measurement.
const MEASURED: Duration = Duration::from_secs(60);
/// `USER_HZ`, the unit of `/proc/<pid>/stat`, on every supported architecture.
const TICKS_PER_SECOND: f64 = 100.0;
/// Budgets: per cent of one processor, MiB, queries in any second.
const PROCESSOR: f64 = 1.0;
const RESIDENT: f64 = 16.0;
const QUERIES: usize = 20;

/// The figures.
pub(crate) struct Names {
    /// Number of names.
    count: usize,
    /// Per cent of one processor.
    processor: f64,
    resident: Resident,
    /// Mean number of queries per second during the measurement.
    average: f64,
    /// Maximum number of queries in any second since the start.
    most: usize,
}

/// Measures in a separate lab, in about two minutes.
///
/// # Errors
/// When the lab or the daemon fails.
pub(crate) fn measure() -> Result<Names> {
    let lab = Lab::start()?;
    let names = names();
    for (name, addresses) in names.iter().zip(addresses(&Targets::load()?)?) {
        lab.dns().set_addresses(name, &addresses, TTL)?;
    }
    lab.dns().watch()?;
    let mut enforcer = Enforcer::prepare(&lab, &REGIONS, "")?;
    let contoso = with_bundle(&lab, &enforcer, &REGIONS, &[])?;
    enforcer.configure(&(contoso + &others()))?;
    enforcer.run()?;
    enforcer.await_names()?;
    sleep(WARM_UP);

    let pid = enforcer.pid()?;
    let (before, from) = (processor_time(pid)?, Instant::now());
    sleep(MEASURED);
    let (after, until) = (processor_time(pid)?, Instant::now());
    let seconds = (until - from).as_secs_f64();
    let queries = lab.dns().query_times();
    let measured = queries.iter().filter(|at| (from..until).contains(*at));
    Ok(Names {
        count: names.len(),
        processor: (after - before) / seconds * 100.0,
        resident: Resident::of(pid)?,
        average: measured.count() as f64 / seconds,
        most: most_in_a_second(&queries),
    })
}

fn labels() -> Vec<String> {
    let others = (1..REGISTRIES).map(|number| format!("registry{number}"));
    std::iter::once("contoso".to_owned())
        .chain(others)
        .collect()
}

fn names() -> Vec<String> {
    let of_registry = |label: String| {
        let replicas = REGIONS.map(|region| format!("{label}.{region}.data.azurecr.io"));
        std::iter::once(format!("{label}.azurecr.io")).chain(replicas)
    };
    labels().into_iter().flat_map(of_registry).collect()
}

/// Returns the configuration of all registries except contoso's.
fn others() -> String {
    let table = |label: &String| {
        format!("\n[[registry]]\nlogin-server = \"{label}.azurecr.io\"\nregions = {REGIONS:?}\n")
    };
    labels().iter().skip(1).map(table).collect()
}

/// Returns distinct addresses in the prefixes of registries, one of each family per name.
fn addresses(targets: &Targets) -> Result<Vec<[IpAddr; 2]>> {
    let registries = targets.registries()?;
    let v4 = registries.v4().iter().map(|net| net.network().into());
    let v6 = registries.v6().iter().map(|net| net.network().into());
    Ok(v4.zip(v6).map(|(v4, v6)| [v4, v6]).collect())
}

/// Returns the processor time of all threads in seconds, user and system (proc_pid_stat(5), fields 14 and 15).
fn processor_time(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses and can contain any character.
    let (_, rest) = text.rsplit_once(") ").context("no process name in stat")?;
    let ticks = rest.split(' ').skip(11).take(2).map(str::parse::<u32>);
    let ticks: Vec<u32> = ticks.collect::<Result<_, _>>()?;
    Ok(f64::from(ticks.iter().sum::<u32>()) / TICKS_PER_SECOND)
}

fn most_in_a_second(queries: &[Instant]) -> usize {
    let second_from = |index: usize| {
        let end = queries[index] + Duration::from_secs(1);
        queries[index..].iter().take_while(|at| **at < end).count()
    };
    (0..queries.len()).map(second_from).max().unwrap_or(0)
}

impl Display for Names {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let judged = |is_within| if is_within { "within" } else { "OVER" };
        let (processor, resident) = (self.processor, self.resident.all as f64 / 1024.0);
        let is_calm = judged(self.most <= QUERIES);
        writeln!(
            out,
            "## Names\n\n\
             {REGISTRIES} registries with {} replicas each, {} names, in the lab, with the bundle. Each answer is valid for {TTL} s.\n\
             `./x bench -- names` measures this alone.\n\n\
             | what | measured | budget | |\n|---|---|---|---|",
            REGIONS.len(),
            self.count
        )?;
        writeln!(
            out,
            "| processor time over {} s, of one processor | {processor:.2} % | {PROCESSOR} % | {} |",
            MEASURED.as_secs(),
            judged(processor < PROCESSOR)
        )?;
        writeln!(
            out,
            "| resident memory (`VmRSS`) | {resident:.1} MiB | {RESIDENT} MiB | {} |",
            judged(resident < RESIDENT)
        )?;
        writeln!(
            out,
            "| queries to the resolver, maximum in any second, including the start | {} | {QUERIES} | {is_calm} |",
            self.most
        )?;
        writeln!(
            out,
            "| queries per second, mean | {:.1} | | |\n",
            self.average
        )
    }
}
