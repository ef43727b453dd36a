//! The denials that the daemon reports on its control socket.

use std::{
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use enforcer::control::{EventRecord, client};
use tokio::runtime::{Builder, Runtime};

/// Interval between requests.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the daemon may leave requests unanswered, on an emulated processor.
const UNANSWERED: Duration = Duration::from_secs(120);

/// A thread that takes new denials from the daemon; it ends when dropped.
pub(crate) struct EventLog {
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    log: Mutex<Log>,
}

struct Log {
    denials: Vec<EventRecord>,
    /// When the daemon answered last.
    answered: Instant,
    /// Sequence number of the last event that was taken.
    last: u64,
    error: Option<String>,
}

impl EventLog {
    /// Starts to take the denials of the daemon with this runtime directory.
    pub(crate) fn start(runtime_dir: PathBuf) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let taking = Arc::clone(&shared);
        let thread = thread::spawn(move || taking.take_all(&runtime, &runtime_dir));
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Returns all denials so far.
    pub(crate) fn denials(&self) -> Result<Vec<EventRecord>> {
        let log = self.shared.log();
        match &log.error {
            Some(error) => bail!("the daemon's events: {error}"),
            None => Ok(log.denials.clone()),
        }
    }

    /// Waits for a denial that `is_wanted`; returns whether one is reported within `limit`.
    pub(crate) fn await_denial(
        &self,
        limit: Duration,
        is_wanted: impl Fn(&EventRecord) -> bool,
    ) -> Result<bool> {
        let deadline = Instant::now() + limit;
        loop {
            let log = self.shared.log();
            if log.denials.iter().any(&is_wanted) {
                return Ok(true);
            }
            if let Some(error) = &log.error {
                bail!("the daemon's events: {error}");
            }
            drop(log);
            if Instant::now() >= deadline {
                return Ok(false);
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for EventLog {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _already_reported = thread.join();
        }
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_all(&self, runtime: &Runtime, runtime_dir: &std::path::Path) {
        while !self.ended.load(Ordering::Relaxed) {
            let since = self.log().last;
            let taken = runtime.block_on(client::events(runtime_dir, since));
            let taken = taken.context("no answer");
            self.log().add(taken);
            thread::sleep(PAUSE);
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            denials: Vec::new(),
            answered: Instant::now(),
            last: 0,
            error: None,
        }
    }
}

impl Log {
    fn add(&mut self, taken: Result<Vec<EventRecord>>) {
        match taken {
            Ok(taken) => {
                self.answered = Instant::now();
                self.last = taken.last().map_or(self.last, |event| event.sequence);
                let is_denial = |event: &EventRecord| event.destination.is_some();
                self.denials.extend(taken.into_iter().filter(is_denial));
            }
            Err(error) if self.answered.elapsed() >= UNANSWERED => {
                self.error = Some(format!("{error:#}"));
            }
            // The kernel verifies programs.
            Err(_busy) => {}
        }
    }
}

/// Whether a denial is of a packet to `destination`.
pub(crate) fn is_to(event: &EventRecord, destination: IpAddr) -> bool {
    event.destination == Some(destination)
}
