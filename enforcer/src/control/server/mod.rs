//! Server of the control socket: a read-only HTTP API that supports only GET.

mod answer;
mod connections;
mod events;
mod history;
mod socket;
mod tcp;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use hyper::body::Body as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinSet, LocalSet, yield_now};
use tokio::time::timeout;
use tracing::{debug, warn};

pub use self::answer::DaemonState;
pub use self::connections::{Bounds, FOLLOWERS, MAX_UNREAD, REQUESTS};
use self::connections::{Connections, Evicted, Slot};
pub use self::tcp::{SCRAPERS, serve_metrics};
use super::ControlError;
use crate::daemon::Published;

/// Maximum time for a client to send its request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time from the connection to the end of the answer, except for streams of events.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of hyper's read and write buffers, in bytes, which bounds requests and pending answers: the minimum that hyper accepts.
const BUFFER: usize = 8192;
/// Delay before the next accept(2) after a failed one (for example without a free file descriptor).
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Serves `published` on the control socket in the directory `runtime`, as a task of the current [`LocalSet`].
///
/// # Errors
/// As [`Server::bind`].
pub fn serve(runtime: &Path, published: Rc<Published>) -> Result<(), ControlError> {
    let server = Server::bind(&super::socket_path(runtime))?;
    tokio::task::spawn_local(server.serve(published));
    Ok(())
}

/// A listening control socket, which is removed on drop.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    /// Device and inode of the socket, so that another daemon's socket at the same path is not removed.
    file: (u64, u64),
    listener: UnixListener,
}

impl Server {
    /// Creates the socket and its directory (mode 0755), and listens. Replaces a socket on which no process listens. The mode of the socket
    /// is 0660 with the group [`super::GROUP`] if that group exists, else 0600. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// [`ControlError::InUse`], [`ControlError::NotASocket`] or [`ControlError::Bind`].
    pub fn bind(path: &Path) -> Result<Self, ControlError> {
        let listener = socket::listen(path)?;
        let metadata = fs::symlink_metadata(path).map_err(socket::failed("find", path))?;
        Ok(Self {
            path: path.to_owned(),
            file: (metadata.dev(), metadata.ino()),
            listener,
        })
    }

    /// Answers requests until the future is dropped, which closes all connections and removes the socket. The future includes a
    /// [`LocalSet`], so it only needs a tokio runtime; it is not `Send`.
    pub async fn serve(self, daemon: Rc<dyn DaemonState>) {
        let accepting = self.accept(daemon);
        LocalSet::new().run_until(accepting).await;
    }

    async fn accept(&self, daemon: Rc<dyn DaemonState>) {
        let connections = Rc::new(RefCell::new(Connections::default()));
        let mut tasks = JoinSet::new();
        loop {
            let accepted = self.listener.accept().await;
            while tasks.try_join_next().is_some() {}
            match accepted {
                Ok((stream, _address)) => {
                    let slot = slot(&connections, &stream);
                    let id = slot.id();
                    let conversation = converse(stream, slot, Rc::clone(&daemon));
                    let task = tasks.spawn_local(conversation);
                    connections.borrow_mut().runs_in(id, task);
                    // Answer a request that has already arrived, before another connection can displace it.
                    yield_now().await;
                }
                Err(error) => {
                    warn!(%error, "the control socket accepts no connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
}

/// Adds the connection `stream` under its peer's user.
fn slot(connections: &Rc<RefCell<Connections>>, stream: &UnixStream) -> Slot {
    // The kernel knows the peer of every Unix socket; if it reported none, all such connections would share one user's limit.
    let uid = stream.peer_cred().map_or(u32::MAX, |peer| peer.uid());
    let (slot, evicted) = Slot::take(connections, uid);
    match evicted {
        None => {}
        Some(Evicted::UserBound(uid)) => warn!(
            uid,
            "user {uid} has {} connections to the control socket: the oldest is closed for a new one",
            REQUESTS.per_user
        ),
        Some(Evicted::SharedBound(uid)) => warn!(
            uid,
            "users have {} connections to the control socket: the oldest of user {uid}, who has the most, is closed for a new one",
            REQUESTS.all_but_root
        ),
    }
    slot
}

impl Drop for Server {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        let own = found.is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if own && let Err(error) = fs::remove_file(&self.path) {
            debug!(%error, "the control socket stays");
        }
    }
}

fn held_bytes(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Returns a server of connections that have one request each, in bounded memory and time.
fn one_request() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(BUFFER)
        .keep_alive(false);
    builder
}

/// Serves one request on `stream`.
async fn converse(stream: UnixStream, slot: Slot, daemon: Rc<dyn DaemonState>) {
    let service = service_fn(|request| {
        slot.answer();
        let answer = answer::answer(&request, &*daemon, || slot.follow());
        slot.hold(answer.body().size_hint().exact().map_or(0, held_bytes));
        async { Ok::<_, Infallible>(answer) }
    });
    let mut served = std::pin::pin!(one_request().serve_connection(TokioIo::new(stream), service));
    let ended = match timeout(ANSWER_TIMEOUT, &mut served).await {
        Ok(ended) => ended,
        Err(_elapsed) if slot.follows() => served.await,
        Err(_elapsed) => return debug!("a control connection took too long"),
    };
    if let Err(error) = ended {
        debug!(%error, "a control connection broke");
    }
}
