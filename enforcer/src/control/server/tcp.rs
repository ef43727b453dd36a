//! The page of metrics on a TCP port, for Prometheus.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::answer::{self, DaemonState};
use super::{ACCEPT_AGAIN, ANSWER_TIMEOUT, one_request};
use crate::control::ControlError;

/// Connections at a time; further ones wait in the kernel's queue.
pub const SCRAPERS: usize = 4;
/// Minimum time between two pages, which cost a walk over the counters: who may connect must not keep the daemon busy.
const PAGE_INTERVAL: Duration = Duration::from_millis(50);

/// Serves the page on `listen`, as a task of the current [`tokio::task::LocalSet`] that ends when it is aborted.
///
/// # Errors
/// [`ControlError::Listen`].
pub fn serve_metrics(
    listen: SocketAddr,
    daemon: Rc<dyn DaemonState>,
) -> Result<JoinHandle<()>, ControlError> {
    let failed = |source| ControlError::Listen {
        address: listen,
        source,
    };
    let socket = std::net::TcpListener::bind(listen).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    let listener = TcpListener::from_std(socket).map_err(failed)?;
    Ok(tokio::task::spawn_local(accept(listener, daemon)))
}

async fn accept(listener: TcpListener, daemon: Rc<dyn DaemonState>) {
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() >= SCRAPERS {
            tasks.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _address)) => {
                tasks.spawn_local(converse(stream, Rc::clone(&daemon)));
                tokio::time::sleep(PAGE_INTERVAL).await;
            }
            Err(error) => {
                warn!(%error, "the port of the metrics accepts no connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
        while tasks.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, daemon: Rc<dyn DaemonState>) {
    let service = service_fn(|request| {
        let answer = answer::metrics_only(&request, &*daemon);
        async { Ok::<_, Infallible>(answer) }
    });
    let served = one_request().serve_connection(TokioIo::new(stream), service);
    match timeout(ANSWER_TIMEOUT, served).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a scrape broke"),
        Err(_elapsed) => debug!("a scrape took too long"),
    }
}

#[cfg(test)]
mod tests;
