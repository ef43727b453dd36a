//! What can go wrong between the command line and the daemon, each with its mend.

use std::io;
use std::path::PathBuf;

use super::GROUP;

/// Why the control socket is not served, or gave no answer.
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
    /// The caller may not open the socket.
    #[error("no permission to ask the daemon on {}: be root or in the group {GROUP}", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// The connection could not be made, or broke.
    #[error("the connection to the daemon on {} broke ({source}): try again, and read the daemon's log if it stays", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What broke.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No answer in time.
    #[error(
        "the daemon on {} did not answer within {seconds} seconds: see its log, and restart it if it hangs", path.display()
    )]
    Late {
        /// The socket.
        path: PathBuf,
        /// How long the client waited.
        seconds: u64,
    },
    /// The daemon answered with an error of its own.
    #[error("the daemon answered {code} to {request}: {text}")]
    Answered {
        /// What was asked for.
        request: String,
        /// The HTTP status.
        code: u16,
        /// The line that came with it.
        text: String,
    },
    /// The answer is longer than any that the daemon gives.
    #[error(
        "the answer to {request} is longer than {limit} bytes: is it egress-enforcer that listens there?"
    )]
    TooLong {
        /// What was asked for.
        request: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The answer is not what this version reads.
    #[error(
        "the answer to {request} cannot be read ({detail}): restart the daemon if its version is another than this command's"
    )]
    Unreadable {
        /// What was asked for.
        request: String,
        /// Where reading failed.
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
    /// Something else stands where the socket belongs.
    #[error("{} is there and is no socket: move it away, or set paths.runtime to another directory", path.display())]
    NotASocket {
        /// What stands there.
        path: PathBuf,
    },
    /// The socket could not be made.
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
