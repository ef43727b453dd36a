//! The one loop: waits for news of any kind, and hands it to the engine.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use enforcer_common::Record;
use enforcer_common::layout::FoldKey;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until};

use super::denials::Denial;
use super::engine::{Asker, Engine};
use super::feeds::Fetched;
use super::files::FileWatch;
use super::service::Service;
use super::sources::Options;
use crate::control::identity::Identify;
use crate::control::server::{Server, Source};
use crate::control::{EventLog, Status, socket_path};
use crate::kernel::{AddressWatch, CgroupWatch, ClockWatch, EventReader};
use crate::name::Name;
use crate::resolver::answer::Answer;

/// Events taken from the buffer in one go, so that a flood of denials does not hold up the rest.
const EVENT_BATCH: usize = 256;
/// How long nobody looks for cgroups that may have come or gone: their coming and going is told.
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
    while let Some(news) = daemon.next().await {
        daemon.take(news);
        // Lookups and the control socket get their turn also while one batch of events follows another.
        tokio::task::yield_now().await;
    }
    daemon.stop();
    Ok(())
}

/// What can happen.
enum News {
    Due,
    Answer(Box<(Asker, Name, Answer)>),
    Records(Vec<Record>),
    Addresses,
    Cgroups,
    Clock,
    Files,
    Fetched(Box<Fetched>),
    Reload,
}

pub(super) struct Daemon {
    pub(super) engine: Rc<RefCell<Engine>>,
    pub(super) log: Arc<EventLog>,
    pub(super) identify: Identify,
    service: Service,
    events: EventReader,
    addresses: AddressWatch,
    cgroups: Option<CgroupWatch>,
    clock: ClockWatch,
    lookups: JoinSet<(Asker, Name, Answer)>,
    fetches: JoinSet<Fetched>,
    files: Option<FileWatch>,
    /// Denials that were reported, until their window is over.
    pub(super) reported: HashMap<FoldKey, Denial>,
    /// Windows before this one were summed up.
    pub(super) summed_up: u32,
    pub(super) sum_up_at: Option<Instant>,
    save_at: Option<Instant>,
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
            events: EventReader::open(&engine.pins)?,
            service: Service::of_environment(),
            addresses: AddressWatch::new()?,
            cgroups: None,
            clock: ClockWatch::new()?,
            lookups: JoinSet::new(),
            fetches: JoinSet::new(),
            files: None,
            reported: HashMap::new(),
            summed_up: 0,
            // What an earlier daemon left, once its records are read.
            sum_up_at: Some(Instant::now() + Duration::from_secs(1)),
            save_at: None,
            engine: Rc::new(RefCell::new(engine)),
            log,
            hangup,
            terminate,
            interrupt,
        };
        daemon.listen();
        daemon.watch_cgroups();
        daemon.watch_files();
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

    /// Waits for the next news; `None` when it is time to stop.
    async fn next(&mut self) -> Option<News> {
        let wake = self.wake();
        let answer = async {
            match self.lookups.join_next().await {
                Some(answer) => answer,
                None => pending().await,
            }
        };
        let fetched = async {
            match self.fetches.join_next().await {
                Some(fetched) => fetched,
                None => pending().await,
            }
        };
        let files = async {
            match &mut self.files {
                Some(files) => files.changed().await,
                None => pending().await,
            }
        };
        let cgroups = async {
            match &self.cgroups {
                Some(cgroups) => cgroups.changed().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.terminate.recv() => None,
            _ = self.interrupt.recv() => None,
            _ = self.hangup.recv() => Some(News::Reload),
            Ok(answer) = answer => Some(News::Answer(Box::new(answer))),
            Ok(fetched) = fetched => Some(News::Fetched(Box::new(fetched))),
            () = files => Some(News::Files),
            () = sleep_until(wake) => Some(News::Due),
            Ok(()) = self.addresses.changed() => Some(News::Addresses),
            Ok(()) = cgroups => Some(News::Cgroups),
            Ok(()) = self.clock.set() => Some(News::Clock),
            Ok(events) = self.events.next(EVENT_BATCH) => Some(News::Records(events)),
        }
    }

    /// When something is due, whatever else happens.
    fn wake(&self) -> Instant {
        let patience = match self.cgroups {
            Some(_) => CGROUPS_WATCHED,
            None => CGROUPS_UNWATCHED,
        };
        let idle = Instant::now() + self.engine.borrow().idle(patience);
        [self.sum_up_at, self.save_at, self.service.next_beat()]
            .into_iter()
            .flatten()
            .fold(idle, Instant::min)
    }

    fn take(&mut self, news: News) {
        match news {
            News::Due => self.do_what_is_due(),
            News::Answer(answer) => {
                let (asker, name, answer) = *answer;
                self.engine.borrow_mut().answered(asker, &name, answer);
            }
            News::Records(records) => self.report(&records),
            News::Reload => self.reload(),
            News::Cgroups => self.follow_cgroups(),
            News::Clock => self.engine.borrow_mut().tick(),
            News::Files => self.follow_files(),
            News::Fetched(fetched) => self.engine.borrow_mut().fetched(*fetched),
            News::Addresses => {
                let changed = self.engine.borrow_mut().addresses_changed();
                if let Err(error) = changed {
                    tracing::warn!("{error:#}");
                }
            }
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
        self.watch_cgroups();
        self.watch_files();
        self.service.ready(self.engine.borrow().summary());
    }

    /// Watches for the cgroups that the configuration in force speaks of, and looks for them once it does. Where they cannot be watched,
    /// they are looked for time and again.
    fn watch_cgroups(&mut self) {
        let mut engine = self.engine.borrow_mut();
        let watch = CgroupWatch::new(&engine.root, engine.awaited());
        let failed = watch.as_ref().err().map(ToString::to_string);
        engine.alarms.set("cgroups-unwatched", "", failed);
        self.cgroups = watch.ok();
        engine.tick();
    }

    fn follow_cgroups(&mut self) {
        if self
            .cgroups
            .as_ref()
            .is_some_and(|cgroups| cgroups.follow().is_ok())
        {
            self.engine.borrow_mut().tick();
        } else {
            self.watch_cgroups();
        }
    }

    /// Watches the files that the configuration in force names, and reads those anew that changed since they were read.
    fn watch_files(&mut self) {
        let mut engine = self.engine.borrow_mut();
        let files = engine.sources.given.stamps().clone();
        let watch = (!files.is_empty())
            .then(|| FileWatch::new(files))
            .transpose();
        let failed = watch.as_ref().err().map(|error| {
            format!("{error}: endpoints and service tags are read again on reload only")
        });
        engine.alarms.set("files-unwatched", "", failed);
        drop(engine);
        self.files = watch.unwrap_or_default();
        self.follow_files();
    }

    /// Reads the files anew that changed.
    fn follow_files(&mut self) {
        let Some(files) = &mut self.files else { return };
        for file in files.take() {
            self.engine.borrow_mut().file_changed(&file);
        }
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        if self.cgroups.is_none() {
            self.watch_cgroups();
        } else {
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
        if let Some((lookup, names)) = self.engine.borrow_mut().due() {
            for (asker, name) in names {
                let lookup = lookup.clone();
                self.lookups.spawn_local(async move {
                    let answer = lookup.resolve(&name).await;
                    (asker, name, answer)
                });
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

/// What the control socket may ask.
struct Told {
    engine: Rc<RefCell<Engine>>,
    log: Arc<EventLog>,
}

impl Source for Told {
    /// Looks around first: what needs attention is told as it is now.
    fn status(&self) -> Status {
        let mut engine = self.engine.borrow_mut();
        engine.look_around_for_answer();
        engine.status()
    }

    fn events(&self) -> Arc<EventLog> {
        self.log.clone()
    }
}
