//! Enforcement end to end: pulls succeed, exfiltration fails.

mod audit;
mod changes;
mod control_socket;
mod denials;
mod events;
mod exceptions;
mod pulls;
mod rewritten;

use std::{net::IpAddr, time::Duration};

use anyhow::Result;
use lab::{
    clients::Attempt,
    fixtures::{
        process::{Finished, run},
        process_env::ProcessEnv,
    },
};

/// The regions of contoso's replicas.
const REGIONS: [&str; 2] = ["eastus", "westus"];
/// The bad actor's account.
const ACCOUNT: [&str; 2] = ["203.0.113.66", "2001:db8:b10b::66"];
/// `EPERM`, the errno of denials.
const DENIED: Option<i32> = Some(libc::EPERM);
const MINUTE: Duration = Duration::from_secs(60);

/// Fetches a page of the unrelated web server.
fn browse(env: &ProcessEnv) -> Result<Finished> {
    let mut curl = env.command("curl");
    curl.args(["--disable", "--silent", "--show-error", "--insecure"])
        .args([
            "--noproxy",
            "*",
            "--max-time",
            "10",
            "https://www.example.org/",
        ]);
    run(curl, MINUTE)
}

/// Returns the attempts with another result than `errno`.
fn others(attempts: &[Attempt], errno: Option<i32>) -> Vec<&Attempt> {
    attempts
        .iter()
        .filter(|attempt| attempt.errno != errno)
        .collect()
}

#[expect(clippy::unwrap_used, reason = "the tests' own literals")]
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
