//! The measurements: size, memory, start, cost per packet and call, and what the tables occupy.
//!
//! `bench [--write FILE]` prints a report, or writes it; `bench names` and `bench handshakes` print their parts. Every cost is a difference or a ratio between things measured in turn in one run,
//! with the spread of the differences and that of nothing against nothing.

mod daemon;
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
            // A closed stderr leaves nobody to tell.
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
            format!("written: {file}\n")
        }
        ["handshakes"] => handshakes::measure()?.to_string(),
        ["names"] => names::measure()?.to_string(),
        // How this program calls itself in the lab.
        ["probe", address] => start::child(address)?,
        ["traffic", order] => traffic::child(order)?,
        ["look-up"] => handshakes::child()?,
        ["send", address] => flows::child(address)?,
        _ => bail!(
            "write:  ./x bench,  ./x bench -- --write FILE,  or  ./x bench -- names|handshakes"
        ),
    };
    io::stdout().write_all(output.as_bytes()).context("print")
}
