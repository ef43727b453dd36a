//! The control socket: HTTP, GET only. It takes no orders.

mod answer;
mod follow;
mod socket;

use std::convert::Infallible;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tracing::{debug, warn};

use super::{ControlError, EventLog, Status};

/// Connections that are answered at once; followers keep theirs.
const MOST_CONNECTIONS: usize = 16;
/// Connections that are told to come later at once; more are closed unread.
const MOST_TURNED_AWAY: usize = 16;
/// How long a client may take to send its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a request, and of an answer that waits in the daemon: the smallest that hyper takes.
const BUFFER: usize = 8192;
/// Until the next try, when no connection can be accepted (no file descriptor left).
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Where the server gets what it tells.
pub trait Source {
    /// The state at this moment.
    fn status(&self) -> Status;
    /// The events.
    fn events(&self) -> Arc<EventLog>;
}

impl<S: Source + ?Sized> Source for Rc<S> {
    fn status(&self) -> Status {
        (**self).status()
    }

    fn events(&self) -> Arc<EventLog> {
        (**self).events()
    }
}

/// A listening control socket, which goes with its owner.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    /// Device and inode of the socket, so that another daemon's is not removed in its place.
    file: (u64, u64),
    listener: UnixListener,
}

impl Server {
    /// Makes the socket with its directory (mode 0755), and listens. A socket on which nothing answers is replaced. Its mode is 0660
    /// with the group [`super::GROUP`] where there is such a group, else 0600. Has to be called in a tokio runtime.
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

    /// Answers until the future is dropped: connections end with it, and the socket is removed. The future brings its own
    /// [`LocalSet`], so it needs nothing but a tokio runtime around it; it is not `Send`.
    pub async fn serve(self, source: impl Source + 'static) {
        let accepting = self.accept(Rc::new(source));
        LocalSet::new().run_until(accepting).await;
    }

    async fn accept(&self, source: Rc<dyn Source>) {
        let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let accepted = self.listener.accept().await;
            while connections.try_join_next().is_some() {}
            let stream = match accepted {
                Ok((stream, _address)) => stream,
                Err(error) => {
                    warn!(%error, "the control socket accepts no connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            let slot = Arc::clone(&slots).try_acquire_owned().ok();
            if slot.is_none() && connections.len() >= MOST_CONNECTIONS + MOST_TURNED_AWAY {
                continue;
            }
            let source = Rc::clone(&source);
            connections.spawn_local(async move {
                converse(stream, slot.is_some().then_some(source)).await;
                drop(slot);
            });
        }
    }
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

/// One request and its answer; without a source the client is told to come later.
async fn converse(stream: UnixStream, source: Option<Rc<dyn Source>>) {
    let service = service_fn(|request| {
        let answer = match &source {
            Some(source) => answer::answer(&request, &**source),
            None => answer::busy(),
        };
        async { Ok::<_, Infallible>(answer) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        debug!(%error, "a control connection broke");
    }
}
