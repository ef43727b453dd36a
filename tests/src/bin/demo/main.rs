//! The demonstration: a registry, a bad actor, and the enforcer between them.
//!
//! It tries the same things before there is an enforcer, while it runs, and after its daemon was killed; says what it expects, what
//! happened, and fails where the two differ.

mod environment;
mod output;
mod scenario;
mod steps;
mod table;

use std::process::ExitCode;

use output::Output;

fn main() -> ExitCode {
    let mut output = Output::new();
    if let Err(error) = steps::play(&mut output) {
        output.failed(&error);
    }
    output.close()
}
