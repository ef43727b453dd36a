//! State saved for the next start: addresses, source data and the accepted configuration.

use super::alarm_kind::AlarmKind;
use super::effect::{Effect, SourcesSave};
use super::state::State;

impl State {
    /// Returns whether changed addresses are to be saved.
    pub(super) fn is_unsaved(&self) -> bool {
        self.unsaved && !self.run.ephemeral
    }

    /// Saves the addresses if they changed.
    pub(super) fn save(&mut self) {
        self.save_at = None;
        if !self.is_unsaved() {
            return;
        }
        self.unsaved = false;
        let saved = self.cache.persist(self.now.wall, self.now.since_start);
        let path = self.sources.config.paths.state.join("state.json");
        self.effects.push(Effect::SaveAddresses(path, saved));
    }

    pub(super) fn addresses_saved(&mut self, outcome: Result<(), String>) {
        self.unsaved |= outcome.is_err();
        self.report(AlarmKind::StateUnsaved, outcome.err());
    }

    /// Saves the source data if it differs from the saved data.
    pub(super) fn save_sources(&mut self) {
        if self.run.ephemeral {
            return;
        }
        let save = SourcesSave {
            directory: self.sources.config.paths.state.clone(),
            before: self.persisted.clone(),
            now: self.dynamic.persist(&self.sources, self.now),
        };
        if save.now == save.before {
            return self.alarms.clear(AlarmKind::SourcesUnsaved, "");
        }
        self.saving_sources = Some(save.now.clone());
        self.effects.push(Effect::SaveSources(Box::new(save)));
    }

    pub(super) fn sources_saved(&mut self, outcome: Result<(), String>) {
        let saving = self.saving_sources.take();
        let failure = match outcome {
            Ok(()) => {
                self.persisted = saving.unwrap_or_default();
                None
            }
            Err(error) => Some(format!(
                "a start without a network would use older names and service tags: {error}"
            )),
        };
        self.report(AlarmKind::SourcesUnsaved, failure);
    }

    /// Saves the configuration in force for the next start.
    pub(super) fn keep_configuration(&mut self) {
        let text = self.sources.text.clone();
        if let Some(text) = text.filter(|_| !self.run.ephemeral) {
            let directory = self.sources.config.paths.state.clone();
            self.effects
                .push(Effect::KeepConfiguration(directory, text));
        }
    }

    pub(super) fn configuration_kept(&mut self, outcome: Result<(), String>) {
        let failure = outcome.err().map(|error| {
            format!(
                "a start with an invalid configuration would find an older one, or none: {error}"
            )
        });
        self.report(AlarmKind::ConfigUnsaved, failure);
    }
}
