//! The one loop: waits for news of any kind, and hands it to the engine.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use enforcer_common::Record;
use enforcer_common::layout::DedupKey;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until};

use super::denials::Denial;
use super::engine::Engine;
use super::feeds::Fetched;
use super::questions::Reply;
use super::service::Service;
use super::sources::Options;
use super::watches::{WatchKind, Watches};
use crate::control::identity::Identify;
use crate::control::server::{Server, Source};
use crate::control::{EventLog, Status, socket_path};
use crate::sys::KernelError;

/// Events taken from the buffer in one go, so that a flood of denials does not hold up the rest.
const EVENT_BATCH: usize = 256;
/// Fallback interval between scans for cgroups; inotify reports changes.
const CGROUPS_WATCHED: Duration = Duration::from_secs(60);
/// The same where the system does not tell.
const CGROUPS_UNWATCHED: Duration = Duration::from_secs(1);
/// How long changed addresses wait to be saved together.
const SAVE_AFTER: Duration = Duration::from_secs(5);

/// Runs the daemon until it is told to stop (`SIGINT`, `SIGTERM`).
///
/// # Errors
/// Where it cannot start. Once it enforces, errors are alarms.
pub fn run(options: Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    LocalSet::new().block_on(&runtime, serve(options))
}

async fn serve(options: Options) -> Result<()> {
    let mut daemon = Daemon::start(options)?;
    daemon.announce();
    let ended = daemon.follow().await;
    daemon.stop();
    ended
}

/// What can happen.
enum News {
    Due,
    Answer(Box<Reply>),
    Records(Vec<Record>),
    Addresses,
    Cgroups,
    Clock,
    Files,
    Fetched(Box<Fetched>),
    /// Hooks or pins may be gone.
    Hooks,
    Reload,
    /// A watch reports no more.
    Failed(WatchKind, KernelError),
}

impl News {
    /// What a watch reports, or that it reports no more.
    fn of<T>(reported: Result<T, (WatchKind, KernelError)>, news: impl FnOnce(T) -> Self) -> Self {
        match reported {
            Ok(reported) => news(reported),
            Err((kind, error)) => Self::Failed(kind, error),
        }
    }
}

pub(super) struct Daemon {
    pub(super) engine: Rc<RefCell<Engine>>,
    pub(super) log: Arc<EventLog>,
    pub(super) identify: Identify,
    service: Service,
    pub(super) watches: Watches,
    lookups: JoinSet<Reply>,
    fetches: JoinSet<Fetched>,
    /// Denials that were reported, until their window is over.
    pub(super) reported: HashMap<DedupKey, Denial>,
    /// Windows before this one were summed up.
    pub(super) summed_up: u32,
    pub(super) sum_up_at: Option<Instant>,
    save_at: Option<Instant>,
    /// When the engine's next tick is due.
    tick_at: Instant,
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Daemon {
    fn start(options: Options) -> Result<Self> {
        let signals = |kind| signal(kind).context("cannot listen to signals");
        let (hangup, terminate, interrupt) = (
            signals(SignalKind::hangup())?,
            signals(SignalKind::terminate())?,
            signals(SignalKind::interrupt())?,
        );
        let engine = Engine::start(options)?;
        let log = Arc::new(EventLog::default());
        let mut daemon = Self {
            identify: Identify::new(engine.root.clone()),
            service: Service::of_environment(),
            watches: Watches::new(),
            lookups: JoinSet::new(),
            fetches: JoinSet::new(),
            reported: HashMap::new(),
            summed_up: 0,
            // What an earlier daemon left, once its records are read.
            sum_up_at: Some(Instant::now() + Duration::from_secs(1)),
            save_at: None,
            tick_at: Instant::now(),
            engine: Rc::new(RefCell::new(engine)),
            log,
            hangup,
            terminate,
            interrupt,
        };
        daemon.listen();
        for kind in WatchKind::ALL {
            daemon.watch(kind);
        }
        Ok(daemon)
    }

    /// Opens the control socket. Without one the daemon enforces all the same, and says so.
    fn listen(&self) {
        let runtime = self.engine.borrow().sources.config.paths.runtime.clone();
        match Server::bind(&socket_path(&runtime)) {
            Ok(server) => {
                let source = Told {
                    engine: self.engine.clone(),
                    log: self.log.clone(),
                };
                tokio::task::spawn_local(server.serve(source));
            }
            Err(error) => {
                let mut engine = self.engine.borrow_mut();
                engine.alarms.raise("control-socket", "", error.to_string());
            }
        }
    }

    fn announce(&mut self) {
        let status = self.engine.borrow().status();
        self.service.ready(self.engine.borrow().summary());
        tracing::info!(
            mode = ?status.mode,
            scope = %status.scope.display(),
            generation = status.generation,
            "in force: {} and {} closed prefixes, {} registries",
            status.tags.ipv4_prefixes,
            status.tags.ipv6_prefixes,
            status.registries.len(),
        );
    }

    /// Takes what happens, until it is time to stop.
    ///
    /// # Errors
    /// Where a lookup or a fetch ends without an outcome: what it would have brought about is lost, and the service manager starts the daemon
    /// again.
    async fn follow(&mut self) -> Result<()> {
        while let Some(news) = self.next().await? {
            self.take(news);
            // Lookups and the control socket get their turn also while one batch of events follows another.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Waits for the next news; `None` when it is time to stop.
    async fn next(&mut self) -> Result<Option<News>> {
        let wake = self.wake();
        let Watches {
            events,
            addresses,
            clock,
            cgroups,
            files,
            pins,
            hook_checks,
        } = &mut self.watches;
        let news = tokio::select! {
            biased;
            _ = self.terminate.recv() => return Ok(None),
            _ = self.interrupt.recv() => return Ok(None),
            _ = self.hangup.recv() => News::Reload,
            answer = ended(&mut self.lookups) => News::Answer(Box::new(answer.context("a lookup failed within the daemon")?)),
            fetched = ended(&mut self.fetches) => News::Fetched(Box::new(fetched.context("a fetch failed within the daemon")?)),
            changed = files.next(async |files| files.changed().await) => News::of(changed, |()| News::Files),
            () = sleep_until(wake) => News::Due,
            elapsed = hook_checks.next(async |timer| timer.elapsed().await) => News::of(elapsed, |()| News::Hooks),
            changed = pins.next(async |pins| pins.changed().await) => News::of(changed, |()| News::Hooks),
            changed = addresses.next(async |addresses| addresses.changed().await) => News::of(changed, |()| News::Addresses),
            changed = cgroups.next(async |cgroups| cgroups.changed().await) => News::of(changed, |()| News::Cgroups),
            set = clock.next(async |clock| clock.set().await) => News::of(set, |()| News::Clock),
            records = events.next(async |events| events.next(EVENT_BATCH).await) => News::of(records, News::Records),
        };
        Ok(Some(news))
    }

    /// When something is due, whatever else happens.
    fn wake(&mut self) -> Instant {
        let patience = if self.watches.cgroups.stands() {
            CGROUPS_WATCHED
        } else {
            CGROUPS_UNWATCHED
        };
        let engine = self.engine.borrow();
        let now = Instant::now();
        self.tick_at = now + engine.idle(patience);
        [
            self.sum_up_at,
            self.save_at,
            self.service.next_beat(),
            self.watches.next_retry(),
        ]
        .into_iter()
        .flatten()
        .fold(self.tick_at, Instant::min)
    }

    fn take(&mut self, news: News) {
        match news {
            News::Due => self.do_what_is_due(),
            News::Answer(reply) => self.engine.borrow_mut().answered(*reply),
            News::Records(records) => self.report(&records),
            News::Reload => self.reload(),
            News::Cgroups => self.follow_cgroups(),
            News::Clock => self.engine.borrow_mut().tick(),
            News::Files => self.follow_files(),
            News::Fetched(fetched) => self.engine.borrow_mut().fetched(*fetched),
            News::Addresses => self.follow_addresses(),
            News::Hooks => self.follow_hooks(),
            News::Failed(kind, error) => self.watch_failed(kind, &error),
        }
        self.ask();
        for note in std::mem::take(&mut self.engine.borrow_mut().notes) {
            self.log.push(note);
        }
        self.service.status(self.engine.borrow().summary());
        self.service.beat();
    }

    fn reload(&mut self) {
        self.service.reloading();
        self.engine.borrow_mut().reload();
        self.watch(WatchKind::Cgroups);
        self.watch(WatchKind::Files);
        self.service.ready(self.engine.borrow().summary());
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        for kind in self.watches.due(now) {
            self.watch(kind);
        }
        if self.tick_at <= now {
            self.engine.borrow_mut().tick();
        }
        if self.save_at.is_some_and(|at| at <= now) {
            self.save_at = None;
            self.engine.borrow_mut().save();
        }
        if self.sum_up_at.is_some_and(|at| at <= now) {
            self.sum_up();
        }
    }

    /// Starts the lookups that are due.
    fn ask(&mut self) {
        if let Some((lookup, questions)) = self.engine.borrow_mut().due() {
            for question in questions {
                let lookup = lookup.clone();
                self.lookups
                    .spawn_local(async move { question.ask(&lookup).await });
            }
        }
        for fetch in self.engine.borrow_mut().fetches() {
            self.fetches.spawn_local(fetch);
        }
        if self.save_at.is_none() && self.engine.borrow().is_unsaved() {
            self.save_at = Some(Instant::now() + SAVE_AFTER);
        }
    }

    fn stop(&mut self) {
        self.service.stopping();
        let mut engine = self.engine.borrow_mut();
        engine.save();
        if engine.options.ephemeral {
            tracing::info!("stopping: enforcement ends with this run");
        } else {
            tracing::info!(
                "stopping: what is in force stays in force (`egress-enforcer unload` ends it)"
            );
        }
    }
}

/// Waits until one of `tasks` ends; for ever where there is none.
async fn ended<T: 'static>(tasks: &mut JoinSet<T>) -> Result<T, JoinError> {
    match tasks.join_next().await {
        Some(outcome) => outcome,
        None => pending().await,
    }
}

/// What the control socket may ask.
struct Told {
    engine: Rc<RefCell<Engine>>,
    log: Arc<EventLog>,
}

impl Source for Told {
    fn status(&self) -> Status {
        self.engine.borrow().status()
    }

    fn events(&self) -> Arc<EventLog> {
        self.log.clone()
    }
}
