//! Virtual machines that boot Debian's own kernels, and the tests that face the kernel inside.

mod document;
mod initrd;
mod kernel;
mod outcome;
pub(crate) mod qemu;
mod script;
mod suite;
pub(crate) mod systemd;

use std::{
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

pub(crate) use self::outcome::Outcome;
use self::{
    kernel::{ALL, Kernel},
    suite::Suite,
};
use crate::{arch::Arch, setup};

/// Guests that run at once: each has two processors, and waits for one thing after the other.
const TOGETHER: usize = 2;
/// A guest that takes longer is killed.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Of `./x vm`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Kernels, as `--list` names them; all when none is named
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Name the kernels, and run nothing
    #[arg(long)]
    list: bool,
    /// Run the part that `./x test` runs
    #[arg(long)]
    brief: bool,
    /// Write down what each kernel has, and what the programs cost there
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Show the packages, from installation to purge, on a machine with systemd, and boot no other kernel
    #[arg(long, conflicts_with_all = ["kernels", "list", "brief", "write"])]
    systemd: bool,
}

/// How much runs in a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Everything with the release build of the kernel programs, on another machine than this one without what only sockets decide; with the
    /// development build what judges crafted packets.
    Brief,
    /// Everything with both builds.
    Whole,
}

/// # Errors
/// When a kernel is not known, something cannot be brought or built, or a guest's tests fail; all of them have run by then.
pub(crate) fn task(options: &Options) -> Result<()> {
    if options.systemd {
        return systemd::task();
    }
    if options.list {
        for Kernel {
            name, arch, suite, ..
        } in &ALL
        {
            println!("{name:<12} {:<8} Debian {suite}", arch.kernel());
        }
        return Ok(());
    }
    let names: Vec<&str> = if options.kernels.is_empty() {
        ALL.iter().map(|kernel| kernel.name).collect()
    } else {
        options.kernels.iter().map(String::as_str).collect()
    };
    let extent = if options.brief {
        Extent::Brief
    } else {
        Extent::Whole
    };
    let outcomes = matrix(&names, extent)?;
    if let Some(path) = &options.write {
        ensure!(
            extent == Extent::Whole && outcomes.iter().all(Outcome::is_good),
            "nothing is written down of a run that failed or was brief"
        );
        fs::write(path, document::text(&outcomes))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    judge(&outcomes)
}

/// Runs the suite on each kernel and prints one line for each. A guest that fails is an outcome, not an error.
///
/// # Errors
/// When a kernel is not known, or something cannot be brought or built.
pub(crate) fn matrix(names: &[&str], extent: Extent) -> Result<Vec<Outcome>> {
    let kernels = names.iter().map(|name| Kernel::named(name));
    let kernels: Vec<&Kernel> = kernels.collect::<Result<_>>()?;
    setup::for_vm()?;
    let mut guests = Vec::new();
    for arch in Arch::ALL {
        let mut kernels = kernels
            .iter()
            .filter(|kernel| kernel.arch == arch)
            .peekable();
        if kernels.peek().is_none() {
            continue;
        }
        let suite = Suite::build(arch, extent)?;
        for kernel in kernels {
            guests.push(suite.guest(kernel, extent)?);
        }
    }
    println!("==> {} guests, {TOGETHER} at once", guests.len());
    let outcomes = run(&guests);
    for outcome in &outcomes {
        println!("{outcome}");
    }
    Ok(outcomes)
}

/// # Errors
/// When an outcome is bad, or no test ran.
pub(crate) fn judge(outcomes: &[Outcome]) -> Result<()> {
    let bad: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| !outcome.is_good())
        .map(|outcome| outcome.name)
        .collect();
    if !bad.is_empty() {
        bail!("not everything passed on {}", bad.join(", "));
    }
    ensure!(!outcomes.is_empty(), "no test ran");
    Ok(())
}

fn run(guests: &[suite::Guest]) -> Vec<Outcome> {
    let next = Mutex::new(guests.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let lock = |error: PoisonError<_>| error.into_inner();
    thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                loop {
                    let taken = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((number, guest)) = taken else {
                        return;
                    };
                    let started = Instant::now();
                    let ran = guest.run(LIMIT);
                    let outcome = Outcome::of(guest, ran, started.elapsed());
                    outcome.print_failures();
                    done.lock().unwrap_or_else(lock).push((number, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}
