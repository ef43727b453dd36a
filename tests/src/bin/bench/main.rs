//! The measurements: size, memory, start, cost per packet and call, and what the tables occupy.
//!
//! `bench [--write FILE]` prints or writes a report; `bench names`, `bench handshakes` and `bench devices` print one section each. Every cost is a difference or
//! a ratio of alternating measurements in one run, with the spread of the differences and the spread of a null comparison.

mod daemon;
mod devices;
mod flows;
mod handshakes;
mod machine;
mod memory;
mod names;
mod packets;
mod report;
mod start;
mod stats;
mod switching;
mod targets;
mod traffic;

use std::{
    env, fs,
    io::{self, Write},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match task(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With stderr closed, the message is lost.
            drop(writeln!(io::stderr(), "bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn task(arguments: &[&str]) -> Result<()> {
    let output = match arguments {
        [] => report::write(&daemon::measure()?, "./x bench"),
        ["--write", file] => {
            let command = format!("./x bench -- --write {file}");
            let report = report::write(&daemon::measure()?, &command);
            fs::write(file, report).with_context(|| format!("write {file}"))?;
            format!("wrote {file}\n")
        }
        ["handshakes"] => handshakes::measure()?.to_string(),
        ["devices"] => devices::measure()?.to_string(),
        ["names"] => names::measure()?.to_string(),
        // Child processes of this program in the lab.
        ["probe", address] => start::child(address)?,
        ["traffic", order] => traffic::child(order)?,
        ["look-up"] => handshakes::child()?,
        ["send", address] => flows::child(address)?,
        ["datagrams", address] => flows::datagrams(address)?,
        _ => bail!(
            "usage:  ./x bench,  ./x bench -- --write FILE,  or  ./x bench -- names|handshakes|devices"
        ),
    };
    io::stdout().write_all(output.as_bytes()).context("print")
}
