//! Set-up, build, demonstration, tests and benchmarks: `./x help` lists them.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the tasks talk to the person who runs them"
)]

mod arch;
mod bench;
mod build;
mod debian;
mod demo;
mod dist;
mod env;
mod licences;
mod man;
mod pulls;
mod released;
mod report;
mod run;
mod setup;
mod soak;
mod step;
mod test;
mod tidy;
mod upgrade;
mod userland;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Setup => setup::all(),
        Task::Build { release } => build::task(release),
        Task::Dist(options) => dist::task(&options),
        Task::Man => man::task(),
        Task::Demo => demo::task(),
        Task::Tidy => tidy::task(),
        Task::Test { filters } => test::task(&filters),
        Task::Run { args } => run::task(&args),
        Task::Bench { args } => bench::task(&args),
        Task::Userland { suites } => userland::task(&suites),
        Task::Vm(options) => vm::task(&options),
        Task::Upgrade { commit } => upgrade::task(&commit),
        Task::Soak(options) => soak::task(&options),
        Task::Pulls(options) => pulls::task(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Parser)]
#[command(
    bin_name = "./x",
    about = "Builds, tests and demonstrates egress-enforcer"
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what builds, the lab and the checks need (Debian packages, bpf-linker, lab servers)
    Setup,
    /// Build egress-enforcer with its kernel programs
    Build {
        /// Build with the release profile
        #[arg(long)]
        release: bool,
    },
    /// Make the packages in target/dist
    Dist(dist::Options),
    /// Regenerate the manual pages and completions
    Man,
    /// Demonstrate in a lab on this machine what the enforcer allows and denies
    Demo,
    /// Check lengths of files, retired words and the direction of dependencies
    Tidy,
    /// Run all checks and tests, or only the tests whose names contain a FILTER
    Test {
        #[arg(value_name = "FILTER")]
        filters: Vec<String>,
    },
    /// Enforce on this host until Ctrl-C: ./x run -- --registry contoso.azurecr.io --region eastus
    Run {
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run the benchmarks
    Bench {
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Run the demonstration and the lab's tests on the userland of Debian 13
    Userland {
        /// Test programs of tests/tests; all when none is named
        #[arg(value_name = "SUITE")]
        suites: Vec<String>,
    },
    /// Run the kernel tests in virtual machines with Debian's kernels
    Vm(vm::Options),
    /// Run the upgrade tests between this version and an earlier release, which is built from its commit
    Upgrade {
        /// Commit of the release, of another layout version
        #[arg(default_value = released::COMMIT)]
        commit: String,
    },
    /// Run the enforcer in the lab for a long time under random kills, upgrades, reloads, device changes, floods and bypass attempts
    Soak(soak::Options),
    /// Pull by every container engine from host and containers, while devices come and go and the policy changes
    Pulls(pulls::Options),
}
