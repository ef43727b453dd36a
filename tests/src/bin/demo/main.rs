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

use output::Teller;

fn main() -> ExitCode {
    let mut teller = Teller::new();
    if let Err(error) = steps::play(&mut teller) {
        teller.failed(&error);
    }
    teller.close()
}
