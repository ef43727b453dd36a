//! Watches of kernel events, one per kind. A watch that fails raises an alarm and is opened again.

use std::future::pending;
use std::time::Duration;

use tokio::time::Instant;

use super::file_watch::FileWatch;
use super::watch_kind::WatchKind;
use crate::bpf::{EventReader, PinWatch};
use crate::sys::{
    AddressWatch, CgroupWatch, ClockWatch, DeviceWatch, IpsecWatch, KernelError, Timer,
};

/// Pause before a failed watch is opened again; it doubles with each failure in a row, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// See [`FIRST_PAUSE`].
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// One watch of each kind.
pub(super) struct Watches {
    pub(super) events: Retried<EventReader>,
    pub(super) addresses: Retried<AddressWatch>,
    pub(super) clock: Retried<ClockWatch>,
    pub(super) cgroups: Retried<CgroupWatch>,
    pub(super) files: Retried<FileWatch>,
    pub(super) devices: Retried<DeviceWatch>,
    pub(super) ipsec: Retried<IpsecWatch>,
    pub(super) pins: Retried<PinWatch>,
    pub(super) hook_checks: Retried<Timer>,
}

impl Watches {
    /// Returns closed watches.
    pub(super) const fn new() -> Self {
        Self {
            events: Retried::closed(WatchKind::Events),
            addresses: Retried::closed(WatchKind::Addresses),
            clock: Retried::closed(WatchKind::Clock),
            cgroups: Retried::closed(WatchKind::Cgroups),
            files: Retried::closed(WatchKind::Files),
            devices: Retried::closed(WatchKind::Devices),
            ipsec: Retried::closed(WatchKind::Ipsec),
            pins: Retried::closed(WatchKind::Pins),
            hook_checks: Retried::closed(WatchKind::HookChecks),
        }
    }

    /// Returns when the next failed watch is opened again.
    pub(super) fn next_retry(&self) -> Option<Instant> {
        WatchKind::ALL
            .into_iter()
            .filter_map(|kind| self.retry_at(kind))
            .min()
    }

    /// Returns the watches that are due to be opened again at `now`.
    pub(super) fn due(&self, now: Instant) -> Vec<WatchKind> {
        let is_due = |kind: &WatchKind| self.retry_at(*kind).is_some_and(|at| at <= now);
        WatchKind::ALL.into_iter().filter(is_due).collect()
    }

    /// Closes a failed watch; returns the message of its alarm.
    pub(super) fn fail(&mut self, kind: WatchKind, error: &KernelError) -> String {
        match kind {
            WatchKind::Events => self.events.fail(error),
            WatchKind::Addresses => self.addresses.fail(error),
            WatchKind::Clock => self.clock.fail(error),
            WatchKind::Cgroups => self.cgroups.fail(error),
            WatchKind::Files => self.files.fail(error),
            WatchKind::Devices => self.devices.fail(error),
            WatchKind::Ipsec => self.ipsec.fail(error),
            WatchKind::Pins => self.pins.fail(error),
            WatchKind::HookChecks => self.hook_checks.fail(error),
        }
    }

    fn retry_at(&self, kind: WatchKind) -> Option<Instant> {
        match kind {
            WatchKind::Events => self.events.retry_at,
            WatchKind::Addresses => self.addresses.retry_at,
            WatchKind::Clock => self.clock.retry_at,
            WatchKind::Cgroups => self.cgroups.retry_at,
            WatchKind::Files => self.files.retry_at,
            WatchKind::Devices => self.devices.retry_at,
            WatchKind::Ipsec => self.ipsec.retry_at,
            WatchKind::Pins => self.pins.retry_at,
            WatchKind::HookChecks => self.hook_checks.retry_at,
        }
    }
}

/// A watch, or the time at which it is opened again.
#[derive(Debug)]
pub(super) struct Retried<T> {
    kind: WatchKind,
    watch: Option<T>,
    retry_at: Option<Instant>,
    failures: u32,
}

impl<T> Retried<T> {
    const fn closed(kind: WatchKind) -> Self {
        Self {
            kind,
            watch: None,
            retry_at: None,
            failures: 0,
        }
    }

    /// Sets an opened watch, or `None` if there is nothing to watch; returns the message of the alarm if it could not be opened.
    pub(super) fn set(&mut self, opened: Result<Option<T>, KernelError>) -> Option<String> {
        match opened {
            Ok(watch) => {
                self.watch = watch;
                self.retry_at = None;
                None
            }
            Err(error) => Some(self.fail(&error)),
        }
    }

    /// Returns the watch, if it is open.
    pub(super) fn get(&mut self) -> Option<&mut T> {
        self.watch.as_mut()
    }

    /// Returns whether the watch is open.
    pub(super) const fn is_open(&self) -> bool {
        self.watch.is_some()
    }

    /// Waits for the next report of the watch; forever if it is closed.
    ///
    /// # Errors
    /// The error of the watch, with its kind; the caller closes the watch with [`Watches::fail`].
    pub(super) async fn next<R>(
        &mut self,
        report: impl AsyncFnOnce(&mut T) -> Result<R, KernelError>,
    ) -> Result<R, (WatchKind, KernelError)> {
        let Some(watch) = &mut self.watch else {
            return pending().await;
        };
        let reported = report(watch).await;
        match reported {
            Ok(reported) => {
                self.failures = 0;
                Ok(reported)
            }
            Err(error) => Err((self.kind, error)),
        }
    }

    fn fail(&mut self, error: &KernelError) -> String {
        let pause =
            FIRST_PAUSE.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        let pause = pause.min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.watch = None;
        self.retry_at = Some(Instant::now() + pause);
        format!(
            "{error}: {}; tried again in {} s",
            self.kind.consequence(),
            pause.as_secs()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::time::{advance, timeout};

    use super::*;

    fn error() -> KernelError {
        KernelError::failed("wait for events")(io::Error::from(io::ErrorKind::BrokenPipe))
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_watch_raises_an_alarm_and_is_opened_again_with_backoff() {
        let mut watch = Retried::closed(WatchKind::Addresses);
        assert_eq!(watch.set(Ok(Some(()))), None);
        assert!(
            watch
                .next(async |()| Ok(7))
                .await
                .is_ok_and(|seen| seen == 7)
        );
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(watch.set(Ok(Some(()))), None);
            let failed = watch.next(async |()| Err::<(), _>(error())).await;
            let (kind, error) = failed.unwrap_err();
            assert_eq!(kind, WatchKind::Addresses);
            let message = watch.fail(&error);
            assert!(message.contains(&format!("in {pause} s")), "{message}");
            assert!(message.contains("not noticed"), "{message}");
            assert!(!watch.is_open());
            assert_eq!(
                watch.retry_at,
                Some(Instant::now() + Duration::from_secs(pause))
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_resets_the_backoff() {
        let mut watch = Retried::closed(WatchKind::Clock);
        watch.fail(&error());
        watch.fail(&error());
        watch.set(Ok(Some(())));
        assert!(watch.next(async |()| Ok(())).await.is_ok());
        watch.fail(&error());
        assert_eq!(watch.retry_at, Some(Instant::now() + FIRST_PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_watch_reports_nothing_and_is_due_after_its_pause() {
        let mut watches = Watches::new();
        let second = Duration::from_secs(1);
        let waited = watches.clock.next(async |clock| clock.set().await);
        assert!(timeout(second, waited).await.is_err());
        assert_eq!(watches.next_retry(), None);
        watches.fail(WatchKind::Clock, &error());
        watches.fail(WatchKind::Files, &error());
        assert!(watches.due(Instant::now()).is_empty());
        advance(second).await;
        let due = watches.due(Instant::now());
        assert_eq!(due, [WatchKind::Clock, WatchKind::Files]);
    }

    #[test]
    fn every_kind_has_a_distinct_alarm() {
        let alarms = WatchKind::ALL.map(WatchKind::alarm);
        let distinct: std::collections::BTreeSet<_> = alarms.into_iter().collect();
        assert_eq!(distinct.len(), alarms.len());
    }
}
