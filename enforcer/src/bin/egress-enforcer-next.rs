//! `egress-enforcer` with the layouts of a version that does not exist, for the tests of upgrades and downgrades.

use std::process::ExitCode;

fn main() -> ExitCode {
    enforcer::cli::main()
}
