//! The commands of `egress-enforcer` that a person needs and a device does not.

use std::process::ExitCode;

fn main() -> ExitCode {
    enforcer::cli::console_main()
}
