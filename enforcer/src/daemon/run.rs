//! The event loop: waits for triggers and feeds them to the core.

use std::future::pending;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until};

use super::denials::Denials;
use super::followed_log::FollowedLog;
use super::metrics_page::{MetricsPage, ServeMetrics};
use super::published::{CounterReader, Published};
use super::service::Service;
use super::shell::Shell;
use super::startup;
use super::successor::OwnProgram;
use super::trigger::Trigger;
use super::watch_kind::WatchKind;
use super::watches::Watches;
use crate::core::{AlarmKind, Event};
use crate::sources::Options;

/// Maximum number of records read from the buffer in one batch, so that a flood of denials does not delay other events.
const EVENT_BATCH: usize = 256;
/// Maximum number of records read before the denials of a window are summed up.
const MOST_WAITING: usize = 16 * EVENT_BATCH;
/// The longest wait for readers of the event log at the end.
const READERS_END: Duration = Duration::from_secs(2);
/// Fallback rescan interval for cgroups; inotify reports changes.
const CGROUPS_WATCHED: Duration = Duration::from_secs(60);
/// Rescan interval for cgroups while inotify does not report them.
const CGROUPS_UNWATCHED: Duration = Duration::from_secs(1);

/// Runs the daemon until `SIGINT` or `SIGTERM`. The event loop calls `serve` with the directory of the control socket and the state that it
/// serves, and `serve_metrics` where the configuration opens a port.
///
/// # Errors
/// If the daemon cannot start. Once it enforces, errors are alarms.
pub fn run<E: std::error::Error>(
    options: Options,
    serve: impl FnOnce(&Path, Rc<Published>) -> Result<(), E>,
    serve_metrics: ServeMetrics,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the event loop")?;
    let ended = LocalSet::new().block_on(&runtime, async {
        let mut daemon = Daemon::start(options, serve_metrics)?;
        daemon.serve(serve);
        daemon.announce();
        let ended = daemon.follow().await;
        daemon.stop();
        ended
    });
    // A reader of the event log may wait for a disk that hangs.
    runtime.shutdown_timeout(READERS_END);
    ended
}

/// The shell, and the inputs of the loop.
pub(super) struct Daemon {
    pub(super) shell: Shell,
    pub(super) watches: Watches,
    pub(super) denials: Denials,
    pub(super) options: Options,
    pub(super) service: Service,
    program: Option<OwnProgram>,
    pub(super) metrics: MetricsPage,
    pub(super) log: FollowedLog,
    /// When the core's next tick is due.
    tick_at: Instant,
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Daemon {
    fn start(options: Options, serve_metrics: ServeMetrics) -> Result<Self> {
        let signals = |kind| signal(kind).context("cannot listen to signals");
        let (hangup, terminate, interrupt) = (
            signals(SignalKind::hangup())?,
            signals(SignalKind::terminate())?,
            signals(SignalKind::interrupt())?,
        );
        let program = OwnProgram::find();
        let shell = startup::start(&options)?;
        Ok(Self {
            log: FollowedLog::new(&shell.state.sources().config),
            denials: Denials::new(shell.host.root.clone(), &shell.host.scope.path),
            shell,
            options,
            service: Service::of_environment(),
            program,
            watches: Watches::new(),
            metrics: MetricsPage::new(serve_metrics),
            tick_at: Instant::now(),
            hangup,
            terminate,
            interrupt,
        })
    }

    /// Opens the control socket and the watches. Without a control socket, the daemon enforces and raises an alarm.
    fn serve<E: std::error::Error>(
        &mut self,
        serve: impl FnOnce(&Path, Rc<Published>) -> Result<(), E>,
    ) {
        let shell = &mut self.shell;
        let served = CounterReader::open(&shell.host.pins).map_err(|error| error.to_string());
        let served = served.and_then(|counters| {
            let (snapshot, links) = shell.subscribe();
            let log = shell.log.clone();
            let published = Published::new(snapshot, log, counters, links, shell.clocks);
            let published = Rc::new(published);
            self.metrics.publish(Rc::clone(&published));
            let runtime = &shell.state.sources().config.paths.runtime;
            serve(runtime, published).map_err(|error| error.to_string())
        });
        if let Err(error) = served {
            shell.feed(Event::Alarm(AlarmKind::ControlSocket, Some(error)));
        }
        self.follow_metrics();
        self.check_log();
        for kind in WatchKind::ALL {
            self.watch(kind);
        }
    }

    fn announce(&mut self) {
        let state = &self.shell.state;
        self.service.ready(state.summary());
        let (sources, tags) = (state.sources(), state.sources().tags_status());
        tracing::info!(
            mode = ?sources.config.mode,
            scope = %self.shell.host.scope.path.display(),
            generation = state.generation(),
            "in force: {} and {} protected prefixes, {} registries",
            tags.ipv4_prefixes,
            tags.ipv6_prefixes,
            sources.config.registries.len(),
        );
    }

    /// Handles triggers until the daemon is asked to stop.
    ///
    /// # Errors
    /// If the task of a lookup or a fetch panics: its outcome is lost, and the service manager restarts the daemon.
    async fn follow(&mut self) -> Result<()> {
        while let Some(trigger) = self.next().await? {
            self.take(trigger);
            // Lookups and the control socket also progress while batches of events arrive without a pause.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Waits for the next trigger; `None` if the daemon is asked to stop.
    async fn next(&mut self) -> Result<Option<Trigger>> {
        let wake = self.wake();
        let Watches {
            events,
            addresses,
            clock,
            cgroups,
            files,
            devices,
            ipsec,
            pins,
            hook_checks,
        } = &mut self.watches;
        let trigger = tokio::select! {
            biased;
            _ = self.terminate.recv() => return Ok(None),
            _ = self.interrupt.recv() => return Ok(None),
            _ = self.hangup.recv() => Trigger::Reload,
            answer = ended(&mut self.shell.lookups) => Trigger::Answer(Box::new(answer.context("a lookup failed within the daemon")?)),
            fetched = ended(&mut self.shell.fetches) => Trigger::Fetched(Box::new(fetched.context("a fetch failed within the daemon")?)),
            changed = files.next(async |files| files.changed().await) => Trigger::of(changed, |()| Trigger::Files),
            () = sleep_until(wake) => Trigger::Due,
            elapsed = hook_checks.next(async |timer| timer.elapsed().await) => Trigger::of(elapsed, |()| Trigger::Hooks),
            changed = pins.next(async |pins| pins.changed().await) => Trigger::of(changed, |()| Trigger::Hooks),
            changed = devices.next(async |devices| devices.changed().await) => Trigger::of(changed, |()| Trigger::Devices),
            changed = ipsec.next(async |ipsec| ipsec.changed().await) => Trigger::of(changed, |()| Trigger::Ipsec),
            changed = addresses.next(async |addresses| addresses.changed().await) => Trigger::of(changed, |()| Trigger::Addresses),
            changed = cgroups.next(async |cgroups| cgroups.changed().await) => Trigger::of(changed, |()| Trigger::Cgroups),
            set = clock.next(async |clock| clock.set().await) => Trigger::of(set, |()| Trigger::Clock),
            records = events.next(async |events| events.next(EVENT_BATCH).await) => Trigger::of(records, Trigger::Records),
        };
        Ok(Some(trigger))
    }

    /// Returns when the next timed action is due.
    fn wake(&mut self) -> Instant {
        let rescan = if self.watches.cgroups.is_open() {
            CGROUPS_WATCHED
        } else {
            CGROUPS_UNWATCHED
        };
        let (state, clocks) = (&self.shell.state, self.shell.clocks);
        self.tick_at = Instant::now() + state.idle(rescan, clocks.now());
        let save_at = state.save_at().map(|at| clocks.instant(at));
        [
            self.denials.sum_up_at(),
            save_at,
            self.service.next_beat(),
            self.watches.next_retry(),
            self.metrics.next_retry(),
        ]
        .into_iter()
        .flatten()
        .fold(self.tick_at, Instant::min)
    }

    fn take(&mut self, trigger: Trigger) {
        match trigger {
            Trigger::Due => self.do_what_is_due(),
            Trigger::Answer(reply) => self.shell.feed(Event::Answered(reply)),
            Trigger::Records(records) => self.denials.report(&records, &mut self.shell),
            Trigger::Reload => self.reload(),
            Trigger::Cgroups => self.follow_cgroups(),
            Trigger::Clock => self.shell.tick(),
            Trigger::Files => self.follow_files(),
            Trigger::Fetched(fetched) => self.shell.feed(Event::Fetched(fetched)),
            Trigger::Addresses => self.follow_addresses(),
            Trigger::Devices => self.shell.check_devices(),
            Trigger::Ipsec => self.follow_ipsec(),
            Trigger::Hooks => self.follow_hooks(),
            Trigger::Failed(kind, error) => self.watch_failed(kind, &error),
        }
        if self.shell.take_rewatch() {
            self.watch(WatchKind::Cgroups);
            self.watch(WatchKind::Files);
            self.watch(WatchKind::Devices);
            self.watch(WatchKind::Ipsec);
        }
        self.service.status(self.shell.state.summary());
        self.service.beat();
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        for kind in self.watches.due(now) {
            self.watch(kind);
        }
        if self.metrics.next_retry().is_some_and(|at| at <= now) {
            self.follow_metrics();
        }
        if self.tick_at <= now {
            self.shell.tick();
            self.rescan_devices();
            self.follow_ipsec();
            self.follow_log();
        }
        let save_at = self.shell.state.save_at();
        if save_at.is_some_and(|at| self.shell.clocks.instant(at) <= now) {
            self.shell.feed(Event::SaveDue);
        }
        if self.denials.sum_up_at().is_some_and(|at| at <= now) {
            self.report_waiting();
            self.denials.sum_up(&mut self.shell);
        }
    }

    /// Reports the records that wait while something else is due: the sum of their window would replace them, and knows less.
    fn report_waiting(&mut self) {
        if let Some(events) = self.watches.events.get() {
            let records = events.waiting(MOST_WAITING);
            self.denials.report(&records, &mut self.shell);
        }
    }

    fn stop(&mut self) {
        self.service.stopping();
        let program = self.program.as_ref();
        self.shell.feed(Event::Stopping {
            filters_stay: program.is_none_or(OwnProgram::successor_knows_filters),
        });
        if self.options.ephemeral {
            tracing::info!("stopping: enforcement ends with this run");
        } else {
            tracing::info!(
                "stopping: what is in force stays in force (`egress-enforcer unload` ends it)"
            );
        }
        self.shell.log.close();
    }
}

/// Waits until one of `tasks` ends; forever if there is none.
async fn ended<T: 'static>(tasks: &mut JoinSet<T>) -> Result<T, JoinError> {
    match tasks.join_next().await {
        Some(outcome) => outcome,
        None => pending().await,
    }
}
