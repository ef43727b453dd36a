//! Keeps the programs attached and everything pinned: root's hand can undo either at any time.

use std::collections::BTreeMap;
use std::time::Duration;

use enforcer_common::Hook;
use jiff::Timestamp;

use super::engine::Engine;
use crate::bpf::Undone;
use crate::control::event_kinds::HOOK_RESTORED;
use crate::sys::{KernelError, optmem_shortage};

/// Interval between checks that the programs are attached and pinned. Pins that go are reported by inotify; the kernel reports no link that
/// is detached.
pub(super) const HOOK_CHECKS: Duration = Duration::from_secs(6);
/// The kind of the alarm that a hook does not judge.
pub(super) const HOOK_MISSING: &str = "hook-missing";
/// The kind of the alarm that the socket memory limit is too small.
pub(super) const SOCKET_MEMORY: &str = "socket-memory";

impl Engine {
    /// Attaches again what was detached, pins again what lost its pin, and reports both.
    pub(super) fn look_at_hooks(&mut self) {
        let unseen = self.now().saturating_sub(self.hooks_seen);
        self.hooks_seen = self.now();
        self.alarms.set(SOCKET_MEMORY, "", optmem_shortage());
        if self.scope.is_current() {
            let mut failures = BTreeMap::new();
            let failed = self.restore_pins().err();
            failures.extend(failed.map(|error| ("pins", error)));
            for undone in self.kernel.undone(&self.scope, &self.links) {
                let restored = self.restore_hook(&undone, unseen).err();
                failures.extend(restored.map(|error| (undone.name, error)));
            }
            let failures = failures.into_iter().map(|(name, error)| {
                let message = format!("{name} cannot be attached or pinned again: {error}");
                (name.to_owned(), message)
            });
            self.alarms.replace("hook-unrestored", &failures.collect());
        }
        self.alarms.set(HOOK_MISSING, "", self.hook_missing());
    }

    /// The message of the alarm about hooks that do not judge.
    pub(super) fn hook_missing(&self) -> Option<String> {
        let hooks = self.hooks();
        let missing = Hook::ALL.into_iter().filter(|hook| !hooks.contains(hook));
        let missing: Vec<&str> = missing.map(Hook::word).collect();
        (!missing.is_empty()).then(|| {
            format!(
                "not attached: {}; what these hooks judge passes until the daemon has attached them again",
                missing.join(", ")
            )
        })
    }

    fn restore_hook(&mut self, undone: &Undone, unseen: Duration) -> Result<(), KernelError> {
        self.kernel
            .attach_program(undone.name, &self.scope, &mut self.links)?;
        let name = undone.name;
        let what = if undone.judged {
            format!("{name} lost its pin, and judged all the same: attached and pinned again")
        } else {
            format!(
                "{name} was detached, and judged nothing for at most {} s: attached again",
                unseen.as_secs() + 1
            )
        };
        self.report_restored(name, what);
        Ok(())
    }

    fn restore_pins(&mut self) -> Result<(), KernelError> {
        self.pins.prepare_again(&mut self.lock)?;
        let pinned = self.kernel.pin_again()?;
        if !pinned.is_empty() {
            let what = format!("pins were gone, and are there again: {}", pinned.join(", "));
            self.report_restored("pins", what);
        }
        Ok(())
    }

    /// The event and the alarm. The alarm stands until the next reload: somebody with root's rights is at work there.
    fn report_restored(&mut self, subject: &str, what: String) {
        let at = Timestamp::now();
        let message = format!(
            "{what} at {at:.0}: find out what removed it; `systemctl reload egress-enforcer` ends this alarm"
        );
        self.alarms.raise(HOOK_RESTORED, subject, message);
        self.note(HOOK_RESTORED, what);
    }
}
