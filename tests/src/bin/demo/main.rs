//! The demonstration: a registry, a bad actor, and the enforcer between them.
//!
//! It tries the same things before there is an enforcer, while it runs, and after its daemon was killed; says what it expects, what
//! happened, and fails where the two differ.

mod acts;
mod stage;
mod table;
mod teller;
mod thing;

use std::process::ExitCode;

use teller::Teller;

fn main() -> ExitCode {
    let mut teller = Teller::new();
    if let Err(error) = acts::play(&mut teller) {
        teller.failed(&error);
    }
    teller.close()
}
