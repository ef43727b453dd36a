//! The page of metrics on a TCP port, as the configuration in force wants it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::published::Published;

/// Time between two attempts to listen: an address may come with its device.
const RETRY: Duration = Duration::from_secs(5);

/// Serves a page on an address, as a task that ends when it is aborted; or says why not.
pub type ServeMetrics = fn(SocketAddr, Rc<Published>) -> Result<JoinHandle<()>, String>;

pub(super) struct MetricsPage {
    serve: ServeMetrics,
    published: Option<Rc<Published>>,
    served: Option<(SocketAddr, JoinHandle<()>)>,
    retry: Option<Instant>,
}

impl MetricsPage {
    pub(super) fn new(serve: ServeMetrics) -> Self {
        Self {
            serve,
            published: None,
            served: None,
            retry: None,
        }
    }

    /// Takes what the page is made of.
    pub(super) fn publish(&mut self, published: Rc<Published>) {
        self.published = Some(published);
    }

    /// When listening is to be tried again.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        self.retry
    }

    /// Serves the page on `listen`, or nowhere, from now on; returns the message of the alarm about it.
    pub(super) fn follow(&mut self, listen: Option<SocketAddr>) -> Option<String> {
        self.retry = None;
        if self.served.as_ref().map(|(address, _)| *address) == listen {
            return None;
        }
        if let Some((_, task)) = self.served.take() {
            task.abort();
        }
        let (address, published) = (listen?, self.published.clone()?);
        match (self.serve)(address, published) {
            Ok(task) => {
                self.served = Some((address, task));
                None
            }
            Err(error) => {
                self.retry = Some(Instant::now() + RETRY);
                Some(error)
            }
        }
    }
}
