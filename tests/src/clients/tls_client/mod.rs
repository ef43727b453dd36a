//! A TLS client of the lab's own, in Rust: many connections from one process, and ClientHellos in pieces.

mod connection;
mod large;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use self::connection::hello;
use self::connection::{Trust, converse, get};
use crate::fixtures::{process::run_with_input, process_env::ProcessEnv};

/// What a pull begins with.
pub const PULL: &str = "GET /v2/";
/// What a push to any registry begins with.
pub const PUSH: &str = "POST /v2/stolen/blobs/uploads/";
/// Longer than any work here takes.
const LIMIT: Duration = Duration::from_secs(150);
/// How many connections are under way at once.
const AT_ONCE: usize = 96;

/// What a process of the client does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Work {
    /// Resolves a name and gets `/v2/` from there, again and again, each time on a new connection. Answers with [`Totals`].
    Get {
        /// The server's name.
        host: String,
        /// How often.
        count: u64,
    },
    /// Says something to each server and waits for an answer. Answers with a list of [`Said`].
    Say(Vec<Say>),
}

/// A connection whose first bytes come in pieces.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Say {
    /// The server.
    pub to: SocketAddr,
    /// What is said.
    pub what: What,
    /// Where pieces begin, besides at 0, in order.
    pub cuts: Vec<usize>,
    /// How long an answer may take, in milliseconds.
    pub patience: u64,
}

/// What is said to a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum What {
    /// A handshake of rustls with this name, and then a request.
    Handshake {
        /// The server's name.
        name: String,
        /// Whether the ClientHello is of post-quantum size.
        large: bool,
        /// Method and path, such as [`PULL`].
        request: String,
    },
    /// Just these bytes.
    Bytes(Vec<u8>),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The client's end of the connection.
    pub from: SocketAddr,
    /// How many bytes the first message had.
    pub length: usize,
    /// Where pieces began.
    pub cuts: Vec<usize>,
    /// The HTTP status line, or that bytes came.
    pub answer: Option<String>,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// What became of many connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Those that were answered.
    pub answered: u64,
    /// Those that were not, by what the client said.
    pub failed: BTreeMap<String, u64>,
}

/// Has `program`, the binary `egress-tls`, do `work` in `place`, trusting the authority in the file `ca`.
///
/// # Errors
/// When it cannot be run. A connection that fails is a result.
pub fn run_in<T: DeserializeOwned>(
    program: &Path,
    env: &ProcessEnv,
    ca: PathBuf,
    work: &Work,
) -> Result<T> {
    let mut command = env.command(program);
    command.arg(ca);
    let said = run_with_input(command, &serde_json::to_string(work)?, LIMIT)?.success()?;
    serde_json::from_str(&said).context("read what a TLS client says")
}

/// Does `work` from this process; the answer is JSON.
///
/// # Errors
/// When the authority's certificate cannot be read.
pub fn perform(ca: &Path, work: &Work) -> Result<String> {
    let trust = Trust::in_file(ca)?;
    Ok(match work {
        Work::Get { host, count } => serde_json::to_string(&get_often(&trust, host, *count))?,
        Work::Say(all) => serde_json::to_string(&say_all(&trust, all)?)?,
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

fn say_all(trust: &Trust, all: &[Say]) -> Result<Vec<Said>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut mine = Vec::new();
        while let Some(say) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            mine.push(converse(trust, say)?);
        }
        anyhow::Ok(mine)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let mut said = Vec::new();
        for thread in threads {
            let mine = thread
                .join()
                .map_err(|_panic| anyhow::anyhow!("a panic"))??;
            said.extend(mine);
        }
        Ok(said)
    })
}
