//! Opens the watches and feeds their reports to the core.

use std::time::Duration;

use super::file_watch::FileWatch;
use super::run::Daemon;
use super::surroundings::awaited;
use super::watch_kind::WatchKind;
use crate::bpf::{EventReader, PinWatch};
use crate::config::FramesMode;
use crate::core::Event;
use crate::sys::{
    AddressWatch, CgroupWatch, ClockWatch, DeviceWatch, IpsecWatch, KernelError, Timer,
    ipsec_policies, local_addresses,
};

/// Interval between checks that the hooks are still attached and pinned. inotify reports removed pins; nothing reports detached links.
const HOOK_CHECKS: Duration = Duration::from_secs(6);

impl Daemon {
    /// Opens a watch again for the configuration in force, and catches up with changes since it was closed.
    pub(super) fn watch(&mut self, kind: WatchKind) {
        let failed = self.open(kind);
        let is_open = failed.is_none();
        self.shell.feed(Event::Alarm(kind.alarm(), failed));
        if !is_open {
            return;
        }
        match kind {
            WatchKind::Events => {}
            WatchKind::Addresses => self.follow_addresses(),
            WatchKind::Clock | WatchKind::Cgroups => self.shell.tick(),
            WatchKind::Files => self.follow_files(),
            WatchKind::Devices => self.shell.check_devices(),
            WatchKind::Ipsec => self.follow_ipsec(),
            WatchKind::Pins | WatchKind::HookChecks => self.shell.check_hooks(),
        }
    }

    /// Opens a watch; returns the message of the alarm if that fails.
    fn open(&mut self, kind: WatchKind) -> Option<String> {
        let (host, sources) = (&self.shell.host, self.shell.state.sources());
        let watches = &mut self.watches;
        match kind {
            WatchKind::Events => watches.events.set(EventReader::open(&host.pins).map(Some)),
            WatchKind::Addresses => watches.addresses.set(AddressWatch::new().map(Some)),
            WatchKind::Clock => watches.clock.set(ClockWatch::new().map(Some)),
            WatchKind::Devices => {
                let is_on = sources.config.frames.mode != FramesMode::Off;
                watches
                    .devices
                    .set(is_on.then(DeviceWatch::new).transpose())
            }
            WatchKind::Ipsec => watches.ipsec.set(IpsecWatch::new()),
            WatchKind::Pins => watches.pins.set(PinWatch::new(&host.pins).map(Some)),
            WatchKind::HookChecks => {
                let timer = Timer::every(HOOK_CHECKS, "check the hooks from time to time");
                watches.hook_checks.set(timer.map(Some))
            }
            WatchKind::Cgroups => {
                let watch = CgroupWatch::new(&host.root, awaited(&sources.config));
                watches.cgroups.set(watch.map(Some))
            }
            WatchKind::Files => {
                let files = sources.given.file_stats().clone();
                let watch = (!files.is_empty()).then(|| FileWatch::new(files));
                watches.files.set(watch.transpose())
            }
        }
    }

    /// Closes a failed watch until it is opened again.
    pub(super) fn watch_failed(&mut self, kind: WatchKind, error: &KernelError) {
        let message = self.watches.fail(kind, error);
        self.shell.feed(Event::Alarm(kind.alarm(), Some(message)));
    }

    pub(super) fn follow_addresses(&mut self) {
        match local_addresses() {
            Ok(addresses) => self.shell.feed(Event::LocalAddresses(addresses)),
            Err(error) => self.watch_failed(WatchKind::Addresses, &error),
        }
    }

    pub(super) fn follow_cgroups(&mut self) {
        let followed = self.watches.cgroups.get().map(|cgroups| cgroups.follow());
        match followed {
            Some(Err(_)) | None => self.watch(WatchKind::Cgroups),
            Some(Ok(())) => self.shell.tick(),
        }
    }

    /// Reads changed files again.
    pub(super) fn follow_files(&mut self) {
        let Some(files) = self.watches.files.get() else {
            return;
        };
        for file in files.take() {
            let sources = self.shell.state.sources();
            let mut given = Box::new(sources.given.clone());
            let read = given.reread(&sources.config, &file);
            let read = read.map(|()| given).map_err(|error| format!("{error:#}"));
            self.shell.feed(Event::FileRead(file, read));
        }
    }

    /// Lists the network devices in case a notification was missed: nothing reports tcx programs.
    pub(super) fn rescan_devices(&mut self) {
        if self.shell.state.sources().config.frames.mode != FramesMode::Off {
            self.shell.check_devices();
        }
    }

    /// Lists the IPsec policies; the kernel does not report that one expired.
    pub(super) fn follow_ipsec(&mut self) {
        if !self.watches.ipsec.is_open() {
            return;
        }
        match ipsec_policies() {
            Ok(policies) => self.shell.feed(Event::IpsecPoliciesListed(policies)),
            Err(error) => self.watch_failed(WatchKind::Ipsec, &error),
        }
    }

    /// Checks the hooks and pins, and watches the current directory of the pins.
    pub(super) fn follow_hooks(&mut self) {
        self.shell.check_hooks();
        if self.shell.state.devices_pending() {
            self.shell.check_devices();
        }
        let pins = &self.shell.host.pins;
        let followed = self.watches.pins.get().map(|watch| watch.follow(pins));
        if let Some(Err(error)) = followed {
            self.watch_failed(WatchKind::Pins, &error);
        }
    }
}
