//! A TLS client on rustls: many connections from one process, and ClientHellos in several segments.

mod attempt;
mod connection;
mod large;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use self::connection::{Trust, exchange, get};
pub use self::{
    attempt::{Attempt, Exchange, PULL, PUSH, Payload},
    connection::hello,
};
use crate::fixtures::{process::run_with_input, process_env::ProcessEnv};

/// Time limit of a client process.
const LIMIT: Duration = Duration::from_secs(500);
/// Number of concurrent connections.
const AT_ONCE: usize = 96;

/// The task of a client process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Work {
    /// Resolves a name and requests `/v2/` repeatedly, each time on a new connection. Returns [`Totals`].
    Get {
        /// The server's name.
        host: String,
        /// Number of requests.
        count: u64,
    },
    /// Sends a payload to each server and waits for an answer. Returns a list of [`Exchange`].
    Exchange(Vec<Attempt>),
}

/// The results of many connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Number of answered connections.
    pub answered: u64,
    /// Number of failed connections by error.
    pub failed: BTreeMap<String, u64>,
}

/// Runs `program`, the binary `egress-tls`, in `env` with the task `work`, trusting the authority in the file `ca`.
///
/// # Errors
/// When it cannot be run. A failed connection is a result, not an error.
pub fn run_in<T: DeserializeOwned>(
    program: &Path,
    env: &ProcessEnv,
    ca: PathBuf,
    work: &Work,
) -> Result<T> {
    let mut command = env.command(program);
    command.arg(ca);
    let output = run_with_input(command, &serde_json::to_string(work)?, LIMIT)?.success()?;
    serde_json::from_str(&output).context("read the output of a TLS client")
}

/// Does `work` in this process and returns its result as JSON.
///
/// # Errors
/// When the authority's certificate cannot be read.
pub fn perform(ca: &Path, work: &Work) -> Result<String> {
    let trust = Trust::in_file(ca)?;
    Ok(match work {
        Work::Get { host, count } => serde_json::to_string(&get_often(&trust, host, *count))?,
        Work::Exchange(all) => serde_json::to_string(&attempt_each(&trust, all)?)?,
    })
}

fn get_often(trust: &Trust, host: &str, count: u64) -> Totals {
    let mut totals = Totals::default();
    for _connection in 0..count {
        match get(trust, host) {
            Ok(_status_line) => totals.answered += 1,
            Err(error) => *totals.failed.entry(format!("{error:#}")).or_default() += 1,
        }
    }
    totals
}

fn attempt_each(trust: &Trust, all: &[Attempt]) -> Result<Vec<Exchange>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut mine = Vec::new();
        while let Some(attempt) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            mine.push(exchange(trust, attempt)?);
        }
        anyhow::Ok(mine)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let mut exchanges = Vec::new();
        for thread in threads {
            let mine = thread
                .join()
                .map_err(|_panic| anyhow::anyhow!("a panic"))??;
            exchanges.extend(mine);
        }
        Ok(exchanges)
    })
}
