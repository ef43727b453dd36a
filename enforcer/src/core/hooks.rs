//! Keeps programs attached and pinned: root can undo either at any time, and change the settings.

use enforcer_common::Hook;

use super::alarm_kind::AlarmKind;
use super::effect::Effect;
use super::event::{DetachedHook, HookCheck};
use super::event_kind::EventKind;
use super::missing_hooks::MissingHooks;
use super::state::State;

/// Subject of alarms about pins of maps.
const PINS: &str = "pins";
/// Subject of alarms about the settings in the maps.
const SETTINGS: &str = "settings";

/// Returns the message of the alarm about missing hooks.
pub(super) fn hook_missing(attached: &[Hook]) -> Option<String> {
    let missing = MissingHooks::new(attached);
    (!missing.is_empty()).then(|| {
        format!("{missing}; what these hooks judge passes until the daemon has attached them again")
    })
}

impl State {
    /// Restores detached programs and missing pins, and reports them.
    pub(super) fn hooks_checked(&mut self, check: HookCheck) {
        let now = self.now.since_start;
        self.hooks.unchecked = now.saturating_sub(self.hooks.checked);
        self.hooks.checked = now;
        self.hooks.socket_memory = check.socket_memory;
        self.hooks.failures.clear();
        let socket_memory = self.hooks.socket_memory.clone();
        self.report(AlarmKind::SocketMemory, socket_memory);
        if check.scope_is_current {
            self.effects.push(Effect::RestorePins);
            let restore = check.detached.into_iter().map(Effect::RestoreHook);
            self.effects.extend(restore);
        }
        self.effects.push(Effect::ListHooks);
    }

    pub(super) fn pins_restored(&mut self, outcome: Result<Vec<String>, String>) {
        match outcome {
            Ok(pinned) if pinned.is_empty() => {}
            Ok(pinned) => {
                let what = format!("pins were gone, and are there again: {}", pinned.join(", "));
                self.report_restored(PINS, what);
            }
            Err(error) => self.note_failure(PINS, &error),
        }
    }

    pub(super) fn hook_restored(&mut self, hook: DetachedHook, outcome: Result<(), String>) {
        let name = hook.name;
        if let Err(error) = outcome {
            return self.note_failure(name, &error);
        }
        let what = if hook.judged {
            format!("{name} lost its pin, and judged all the same: attached and pinned again")
        } else {
            format!(
                "{name} was detached, and judged nothing for at most {} s: attached again",
                self.hooks.unchecked.as_secs() + 1
            )
        };
        self.report_restored(name, what);
    }

    /// Handles the last acknowledgement of a check.
    pub(super) fn hooks_listed(&mut self, attached: Vec<Hook>) {
        self.hooks.attached = attached;
        self.alarms
            .replace(AlarmKind::HookUnrestored, &self.hooks.failures);
        self.report(AlarmKind::HookMissing, hook_missing(&self.hooks.attached));
    }

    /// Reattaches everything if the governed cgroup was recreated: its links were removed with it.
    pub(super) fn check_scope(&mut self, is_current: bool) {
        if is_current {
            self.alarms.clear(AlarmKind::ScopeGone, "");
        } else {
            self.effects.push(Effect::Reattach);
        }
    }

    pub(super) fn reattached(&mut self, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                tracing::warn!(
                    scope = %self.run.scope.display(),
                    "the governed cgroup was removed and made again, and nothing was enforced in it: attached again"
                );
                self.list_dns_sockets();
            }
            Err(error) => {
                let message = format!("nothing is enforced: {error}");
                self.alarms.raise(AlarmKind::ScopeGone, "", message);
            }
        }
    }

    fn note_failure(&mut self, name: &str, error: &str) {
        let message = format!("{name} cannot be attached or pinned again: {error}");
        self.hooks.failures.insert(name.to_owned(), message);
    }

    /// Reports settings that the daemon did not write; reconciliation restores them.
    pub(super) fn report_changed_settings(&mut self) {
        let what = "the settings in the maps were changed, and are written again";
        self.report_restored(SETTINGS, what.to_owned());
    }

    /// Publishes the event and raises the alarm, which stays until the next reload: a process with root privileges interfered.
    fn report_restored(&mut self, subject: &str, what: String) {
        let at = self.now.wall;
        let message = format!(
            "{what} at {at:.0}: find out what did that; `systemctl reload egress-enforcer` ends this alarm"
        );
        self.alarms.raise(AlarmKind::HookRestored, subject, message);
        self.note(EventKind::HookRestored, what);
    }
}
