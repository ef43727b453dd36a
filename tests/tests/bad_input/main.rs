//! Invalid input: one clear error message, and the policy in force stays.

mod cases;
mod edits;
mod exclusive_programs;
mod reload;
mod resolver;
mod start;

use std::{net::IpAddr, time::Duration};

use anyhow::Result;
use lab::fixtures::{process::run, process_env::ProcessEnv};

const MINUTE: Duration = Duration::from_secs(60);

/// Whether a connection to port 443 of `address` succeeds.
fn connects(env: &ProcessEnv, address: &str) -> Result<bool> {
    let mut bash = env.command("bash");
    bash.arg("-c")
        .arg(format!("exec 3<>/dev/tcp/{address}/443"));
    Ok(run(bash, MINUTE)?.status.success())
}

#[expect(clippy::unwrap_used, reason = "the tests' own literals")]
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
