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
mod report;
mod run;
mod setup;
mod step;
mod test;
mod tidy;
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
#[command(bin_name = "./x", about = "Builds, tests and shows egress-enforcer")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Bring what a build, the lab and the checks need (Debian packages, bpf-linker, lab servers)
    Setup,
    /// Build egress-enforcer with its kernel programs
    Build {
        /// Optimise as for shipping
        #[arg(long)]
        release: bool,
    },
    /// Make the packages, in target/dist
    Dist(dist::Options),
    /// Write the manual pages and completions again, from the program's own definitions
    Man,
    /// Show in a lab on this machine what the enforcer lets through and what it stops
    Demo,
    /// Check the rules that no other tool checks: lengths, words, directions of dependencies
    Tidy,
    /// Run every check and test, or only the tests whose names contain a FILTER
    Test {
        #[arg(value_name = "FILTER")]
        filters: Vec<String>,
    },
    /// Enforce on this host until Ctrl-C: ./x run -- --registry contoso.azurecr.io --region eastus
    Run {
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Measure the enforcer
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
    /// Run the tests that face the kernel in virtual machines with Debian's kernels
    Vm(vm::Options),
}
