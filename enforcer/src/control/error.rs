//! Errors of the control socket and its client, each with its fix.

use std::io;
use std::path::PathBuf;

use super::GROUP;

/// Error of the control socket or of a request to it.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nothing listens on the socket.
    #[error(
        "the daemon does not run (no answer on {}): start it with `egress-enforcer run` or `systemctl start egress-enforcer`", path.display()
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
    },
    /// The caller has no permission to connect to the socket.
    #[error("no permission to ask the daemon on {}: be root or in the group {GROUP}", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// The connection could not be established, or broke.
    #[error("the connection to the daemon on {} broke ({source}): try again, and read the daemon's log if it stays", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The port of the metrics cannot be opened.
    #[error(
        "the metrics cannot be served on {address} ({source}): see what listens there with `ss -tlnp`, or change metrics.listen"
    )]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// No answer in time.
    #[error(
        "the daemon on {} did not answer within {seconds} seconds: see its log, and restart it if it hangs", path.display()
    )]
    Late {
        /// The socket.
        path: PathBuf,
        /// The time limit, in seconds.
        seconds: u64,
    },
    /// The daemon answered with an error status.
    #[error("the daemon answered {code} to {request}: {text}")]
    Answered {
        /// The target of the request.
        request: String,
        /// The HTTP status.
        code: u16,
        /// The body of the answer: one line.
        text: String,
    },
    /// The answer is longer than any that the daemon sends.
    #[error(
        "the answer to {request} is longer than {limit} bytes: is it egress-enforcer that listens there?"
    )]
    TooLong {
        /// The target of the request.
        request: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// This version cannot parse the answer.
    #[error(
        "the answer to {request} cannot be read ({detail}): restart the daemon if its version is another than this command's"
    )]
    Unreadable {
        /// The target of the request.
        request: String,
        /// The error of the parser.
        detail: String,
    },
    /// Another daemon listens on the socket.
    #[error(
        "another daemon answers on {}: stop it first, or give this one a directory of its own (paths.runtime)", path.display()
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The path of the socket exists, but is not a socket.
    #[error("{} is there and is no socket: move it away, or set paths.runtime to another directory", path.display())]
    NotASocket {
        /// The path of the socket.
        path: PathBuf,
    },
    /// The socket could not be created.
    #[error("cannot {what} {} ({source}): set paths.runtime to a directory that the daemon may write", path.display())]
    Bind {
        /// The step.
        what: &'static str,
        /// The socket or its directory.
        path: PathBuf,
        /// The first error.
        source: io::Error,
    },
}
