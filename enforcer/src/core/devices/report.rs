//! Alarms about filters at network devices.

use super::{Choice, Programs, choose};
use crate::config::FramesMode;
use crate::core::alarm_kind::AlarmKind;
use crate::core::event_kind::EventKind;
use crate::core::start::Findings;
use crate::core::state::State;

impl State {
    /// Updates the alarms that follow from the devices and their filters.
    pub(super) fn report_devices(&mut self) {
        let is_off = self.sources.config.frames.mode == FramesMode::Off;
        let (mut unfiltered, mut left) = (Findings::new(), Findings::new());
        for (index, known) in &self.devices.filtered {
            let name = &known.name;
            if let Some(failure) = &known.failure {
                let is_wanted = !is_off && self.is_wanted(*index);
                let (findings, what) = match is_wanted {
                    true => (&mut unfiltered, "is not filtered"),
                    false => (&mut left, "keeps a filter that is to go"),
                };
                let message = format!("the network device {name} {what}: {failure}");
                findings.insert(name.clone(), message);
            }
        }
        let mut shadowed = Findings::new();
        if !is_off {
            shadowed = self.shadowed();
            unfiltered.extend(self.unfiltered());
        }
        self.alarms
            .replace(AlarmKind::DeviceUnfiltered, &unfiltered);
        self.alarms
            .replace(AlarmKind::DeviceFilterShadowed, &shadowed);
        self.alarms.replace(AlarmKind::DeviceFilterLeft, &left);
    }

    /// Publishes that filters were restored, and raises the alarm, which stays until the next reload.
    pub(super) fn report_lost(&mut self, index: u32, what: String) {
        let at = self.now.wall;
        if let Some(known) = self.devices.filtered.get_mut(&index) {
            known.restored = Some(at);
        }
        let message = format!(
            "{what} at {at:.0}: find out what removed it; `systemctl reload egress-enforcer` ends this alarm"
        );
        let subject = index.to_string();
        self.alarms
            .raise(AlarmKind::DeviceFilterLost, &subject, message);
        self.note(EventKind::HookRestored, what);
    }

    fn is_wanted(&self, index: u32) -> bool {
        let mut found = self.devices.found.iter();
        let found = found.find(|found| found.index == index);
        found.is_some_and(|found| {
            let frames = &self.sources.config.frames;
            let choice = choose(frames, found);
            matches!(choice, Choice::Filter(_))
        })
    }

    /// Returns which programs of others run before the filters.
    fn shadowed(&self) -> Findings {
        let found = self.devices.found.iter();
        let shadowed = found.filter_map(|found| {
            let before = found.filters.before();
            let message = format!(
                "the network device {} runs programs of others before the filter, which can let packets pass: {}; give them a priority \
                 above 1, or let them return TC_ACT_UNSPEC",
                found.name,
                before.join(", ")
            );
            (!before.is_empty()).then(|| (found.name.clone(), message))
        });
        shadowed.collect()
    }

    /// Returns why devices have no filters, other than failed attempts.
    fn unfiltered(&self) -> Findings {
        let devices = &self.devices;
        let mut unfiltered = Findings::new();
        if let Some(error) = &devices.unlisted {
            let message = format!("network devices may not be filtered: {error}");
            unfiltered.insert("devices".to_owned(), message);
        }
        if let Programs::Failed(error) = &devices.programs {
            let message = format!(
                "no network device is filtered: {error}; `systemctl reload egress-enforcer` tries again"
            );
            unfiltered.insert("programs".to_owned(), message);
        }
        if let Some(error) = &devices.options.failure {
            let message = format!(
                "socket options with which packets pass the filters are not refused: {error}; `systemctl reload egress-enforcer` tries again"
            );
            unfiltered.insert("socket options".to_owned(), message);
        }
        let frames = &self.sources.config.frames;
        for found in &devices.found {
            let choice = choose(frames, found);
            if choice == Choice::UnknownHeader {
                let message = format!(
                    "the network device {} is not filtered: frames of its type ({}) cannot be read; remove it, or name the others in \
                     frames.interfaces",
                    found.name, found.link_type
                );
                unfiltered.insert(found.name.clone(), message);
            }
        }
        unfiltered
    }
}
