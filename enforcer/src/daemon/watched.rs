//! Opens the watches, and takes what they report.

use super::files::FileWatch;
use super::hooks::HOOK_CHECKS;
use super::run::Daemon;
use super::watches::WatchKind;
use crate::bpf::{EventReader, PinWatch};
use crate::sys::{AddressWatch, CgroupWatch, ClockWatch, KernelError, Timer};

impl Daemon {
    /// Opens one of the watches anew, by the configuration in force, and looks at what it would have reported meanwhile.
    pub(super) fn watch(&mut self, kind: WatchKind) {
        let failed = self.open(kind);
        self.engine
            .borrow_mut()
            .alarms
            .set(kind.alarm(), "", failed.clone());
        if failed.is_some() {
            return;
        }
        match kind {
            WatchKind::Events => {}
            WatchKind::Addresses => self.follow_addresses(),
            WatchKind::Clock | WatchKind::Cgroups => self.engine.borrow_mut().tick(),
            WatchKind::Files => self.follow_files(),
            WatchKind::Pins | WatchKind::HookChecks => self.engine.borrow_mut().look_at_hooks(),
        }
    }

    /// Opens a watch; returns the message of the alarm where that fails.
    fn open(&mut self, kind: WatchKind) -> Option<String> {
        let engine = self.engine.borrow();
        let watches = &mut self.watches;
        match kind {
            WatchKind::Events => watches
                .events
                .set(EventReader::open(&engine.pins).map(Some)),
            WatchKind::Addresses => watches.addresses.set(AddressWatch::new().map(Some)),
            WatchKind::Clock => watches.clock.set(ClockWatch::new().map(Some)),
            WatchKind::Pins => watches.pins.set(PinWatch::new(&engine.pins).map(Some)),
            WatchKind::HookChecks => {
                let timer = Timer::every(HOOK_CHECKS, "check the hooks from time to time");
                watches.hook_checks.set(timer.map(Some))
            }
            WatchKind::Cgroups => {
                let watch = CgroupWatch::new(&engine.root, engine.awaited());
                watches.cgroups.set(watch.map(Some))
            }
            WatchKind::Files => {
                let files = engine.sources.given.stamps().clone();
                let watch = (!files.is_empty()).then(|| FileWatch::new(files));
                watches.files.set(watch.transpose())
            }
        }
    }

    /// Closes a watch that reports no more, until it is opened again.
    pub(super) fn watch_failed(&mut self, kind: WatchKind, error: &KernelError) {
        let message = self.watches.fail(kind, error);
        let mut engine = self.engine.borrow_mut();
        engine.alarms.raise(kind.alarm(), "", message);
    }

    pub(super) fn follow_addresses(&mut self) {
        let changed = self.engine.borrow_mut().addresses_changed();
        if let Err(error) = changed {
            self.watch_failed(WatchKind::Addresses, &error);
        }
    }

    pub(super) fn follow_cgroups(&mut self) {
        let followed = self.watches.cgroups.get().map(|cgroups| cgroups.follow());
        match followed {
            Some(Err(_)) | None => self.watch(WatchKind::Cgroups),
            Some(Ok(())) => self.engine.borrow_mut().tick(),
        }
    }

    /// Reads the files again that changed.
    pub(super) fn follow_files(&mut self) {
        let Some(files) = self.watches.files.get() else {
            return;
        };
        for file in files.take() {
            self.engine.borrow_mut().file_changed(&file);
        }
    }

    /// Checks the hooks and pins, and watches the directory that the pins are in now.
    pub(super) fn follow_hooks(&mut self) {
        let mut engine = self.engine.borrow_mut();
        engine.look_at_hooks();
        let followed = self
            .watches
            .pins
            .get()
            .map(|pins| pins.follow(&engine.pins));
        drop(engine);
        if let Some(Err(error)) = followed {
            self.watch_failed(WatchKind::Pins, &error);
        }
    }
}
