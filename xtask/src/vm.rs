//! Virtual machines that boot Debian's kernels, and the kernel tests inside.

mod document;
mod initrd;
mod kernel;
mod outcome;
pub(crate) mod qemu;
mod script;
mod suite;
pub(crate) mod systemd;

use std::{fs, panic::resume_unwind, path::PathBuf, thread, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use self::{
    kernel::{ALL, Kernel},
    qemu::TOGETHER,
    suite::Suite,
};
pub(crate) use self::{outcome::Outcome, script::Extent};
use crate::{arch::Arch, setup};

/// Time after which a guest is killed.
const LIMIT: Duration = Duration::from_secs(50 * 60);

/// Options of `./x vm`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Kernels, as `--list` names them; all when none is named
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
    /// List the kernels and exit
    #[arg(long)]
    list: bool,
    /// Run only the part that `./x test` runs
    #[arg(long)]
    brief: bool,
    /// Run only this test program: kernels, verdicts or bypass
    #[arg(long, value_name = "TEST", conflicts_with = "write")]
    only: Option<String>,
    /// Write a table of each kernel's features and of the programs' verification cost
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Test the packages, from installation to purge, on a machine with systemd instead
    #[arg(long, conflicts_with_all = ["kernels", "list", "only", "write"])]
    systemd: bool,
    /// Downgrade there to the release of this commit, as `./x upgrade` builds it, and upgrade again
    #[arg(long, value_name = "COMMIT", requires = "systemd")]
    from: Option<String>,
}

/// Runs the tests on the kernels that the options name.
///
/// # Errors
/// When a kernel is not known, a download or build fails, or, after all guests ran, when a guest's tests failed.
pub(crate) fn task(options: &Options) -> Result<()> {
    let extent = if options.brief {
        Extent::Brief
    } else {
        Extent::Whole
    };
    if options.systemd {
        return systemd::task(extent, options.from.as_deref());
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
    let outcomes = matrix(&names, extent, options.only.as_deref(), || ())?;
    if let Some(path) = &options.write {
        ensure!(
            extent == Extent::Whole && outcomes.iter().all(Outcome::is_good),
            "--write needs a run of all tests without failures"
        );
        fs::write(path, document::text(&outcomes))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    judge(&outcomes)
}

/// Runs the tests, or `only` one test program, on each kernel and prints one line for each; once all guests are made, also runs `beside`. A guest that fails
/// is an outcome, not an error.
///
/// # Errors
/// When a kernel is not known, or a download or build fails.
pub(crate) fn matrix(
    names: &[&str],
    extent: Extent,
    only: Option<&str>,
    beside: impl FnOnce() + Send,
) -> Result<Vec<Outcome>> {
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
            guests.push(suite.guest(kernel, extent, only)?);
        }
    }
    println!("==> {} guests, {TOGETHER} at once", guests.len());
    let outcomes = thread::scope(|scope| {
        scope.spawn(beside);
        run(&guests)
    });
    for outcome in &outcomes {
        println!("{outcome}");
    }
    Ok(outcomes)
}

/// Fails unless all outcomes are good.
///
/// # Errors
/// With the kernels on which something failed, or when no test ran.
pub(crate) fn judge(outcomes: &[Outcome]) -> Result<()> {
    let bad: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| !outcome.is_good())
        .map(|outcome| outcome.name)
        .collect();
    if !bad.is_empty() {
        bail!("tests failed on {}", bad.join(", "));
    }
    ensure!(!outcomes.is_empty(), "no test ran");
    Ok(())
}

/// Runs all guests, each as soon as it may.
fn run(guests: &[suite::Guest]) -> Vec<Outcome> {
    let outcome = |guest| {
        let outcome = Outcome::of(guest, guest.run(LIMIT));
        outcome.print_failures();
        outcome
    };
    thread::scope(|scope| {
        let running = guests
            .iter()
            .map(|guest| scope.spawn(move || outcome(guest)));
        let running: Vec<_> = running.collect();
        let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .map(|outcome| outcome.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}
