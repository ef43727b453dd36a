//! `./x soak`: the enforcer for a long time under what happens to one.
//!
//! A lab with filters at its network devices, a container behind a bridge, and a random sequence of steps: the daemon is killed, stopped, replaced by
//! another version and reloaded, service tags and devices change, floods and bypass attempts come. Connections to allowed and to protected addresses are
//! opened all the time. After each step, no protected packet has arrived at the far side and no allowed connection was lost; from time to time, what the
//! daemon and the kernel use is compared with what they used at first. The first failure ends the run.

mod bypass;
mod child;
mod daemon;
mod devices;
mod endure;
mod finding;
mod flood;
mod options;
mod packets;
mod plan;
mod report;
mod run;
mod scene;
mod topology;
mod traffic;
mod usage;

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
};

use crate::{options::Options, report::Report};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [child::SAY, name, address] => child::say(name, address),
        _ => Options::read(&words).and_then(|options| soak(&options)),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            // With stderr closed, the message is lost.
            drop(writeln!(io::stderr(), "soak: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn soak(options: &Options) -> anyhow::Result<ExitCode> {
    let mut report = Report::new(options);
    let result = run::run(options, &mut report);
    report.end(result, options.json.as_deref())
}
