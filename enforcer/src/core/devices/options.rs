//! Socket options with which packets pass the filters: refused while a device has some.

use enforcer_common::layout::DeviceMode;

use super::{Devices, Programs};
use crate::config::{Frames, FramesMode};
use crate::core::effect::Effect;
use crate::core::state::State;

impl Devices {
    /// Returns what is to be asked for now, with filters wanted at some device or not.
    fn options_due(&self, frames: &Frames, has_filters: bool) -> Option<Option<DeviceMode>> {
        let wanted = mode(frames).filter(|_| has_filters);
        let can_load = matches!(self.programs, Programs::Loaded);
        let is_possible = wanted.is_none() || can_load;
        (is_possible && self.options.asked != Some(wanted)).then_some(wanted)
    }
}

impl State {
    /// Asks for what the configuration and the devices call for.
    pub(super) fn follow_options(&mut self, has_filters: bool) {
        let due = self
            .devices
            .options_due(&self.sources.config.frames, has_filters);
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
    fn options_are_refused_once_while_a_device_has_filters() {
        let frames = |mode: &str| {
            let text = format!("registry = []\n[frames]\nmode = \"{mode}\"\n");
            parse(&text, "/etc/x.toml".as_ref()).unwrap().frames
        };
        let (off, on, audit) = (frames("off"), frames("on"), frames("audit"));
        let mut devices = Devices::default();
        // What an earlier start left is removed; nothing is refused before there is a program for it.
        assert_eq!(devices.options_due(&off, false), Some(None));
        assert_eq!(devices.options_due(&on, true), None);
        devices.programs = Programs::Loaded;
        let enforced = Some(DeviceMode::Enforce);
        assert_eq!(devices.options_due(&on, true), Some(enforced));
        devices.options.asked = Some(enforced);
        assert_eq!(devices.options_due(&on, true), None);
        let audited = Some(DeviceMode::Audit);
        assert_eq!(devices.options_due(&audit, true), Some(audited));
        assert_eq!(devices.options_due(&on, false), Some(None));
    }
}
