//! The demonstration: a registry, a bad actor, and the enforcer between them.
//!
//! It runs the same scenarios before enforcement, while the enforcer runs, and after its daemon was killed; prints the expected and the
//! actual results, and fails where they differ.

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
