//! Socket options with which packets pass the filters: refused while devices may have some, as a socket keeps its options when a device appears.

use enforcer_common::layout::DeviceMode;

use super::{Devices, Programs};
use crate::config::{Frames, FramesMode};
use crate::core::effect::Effect;
use crate::core::state::State;

impl Devices {
    /// Returns what is to be asked for now.
    fn options_due(&self, frames: &Frames) -> Option<Option<DeviceMode>> {
        let wanted = mode(frames);
        let can_load = matches!(self.programs, Programs::Loaded);
        let is_possible = wanted.is_none() || can_load;
        (is_possible && self.options.asked != Some(wanted)).then_some(wanted)
    }
}

impl State {
    /// Asks for what the configuration calls for.
    pub(super) fn follow_options(&mut self) {
        let due = self.devices.options_due(&self.sources.config.frames);
        if let Some(wanted) = due {
            self.devices.options.asked = Some(wanted);
            self.effects.push(Effect::GuardOptions(wanted));
        }
    }

    /// Notes whether socket options are refused.
    pub(in crate::core) fn options_guarded(
        &mut self,
        mode: Option<DeviceMode>,
        outcome: Result<(), String>,
    ) {
        if self.devices.options.asked == Some(mode) {
            self.devices.options.failure = outcome.err();
        }
        self.report_devices();
    }
}

/// Returns what happens to denied frames and options.
pub(super) const fn mode(frames: &Frames) -> Option<DeviceMode> {
    match frames.mode {
        FramesMode::Off => None,
        FramesMode::On => Some(DeviceMode::Enforce),
        FramesMode::Audit => Some(DeviceMode::Audit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn options_are_refused_once_while_devices_may_have_filters() {
        let frames = |mode: &str| {
            let text = format!("registry = []\n[frames]\nmode = \"{mode}\"\n");
            parse(&text, "/etc/x.toml".as_ref()).unwrap().frames
        };
        let (off, on, audit) = (frames("off"), frames("on"), frames("audit"));
        let mut devices = Devices::default();
        // What an earlier start left is removed; nothing is refused before there is a program for it.
        assert_eq!(devices.options_due(&off), Some(None));
        assert_eq!(devices.options_due(&on), None);
        devices.programs = Programs::Loaded;
        let enforced = Some(DeviceMode::Enforce);
        assert_eq!(devices.options_due(&on), Some(enforced));
        devices.options.asked = Some(enforced);
        assert_eq!(devices.options_due(&on), None);
        let audited = Some(DeviceMode::Audit);
        assert_eq!(devices.options_due(&audit), Some(audited));
        assert_eq!(devices.options_due(&off), Some(None));
    }
}
