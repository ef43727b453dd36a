//! Another configuration: taken whole, or not at all.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use anyhow::Result;

use super::alarms::CONFIG_REFUSED;
use super::clock::Clock;
use super::engine::Engine;
use super::evaluate::{inputs, protected};
use super::exceptions::Standing;
use super::known::Origins;
use super::names::RegistryNames;
use super::sources::Sources;
use crate::control::event_kinds::HOOK_RESTORED;
use crate::name::Name;
use crate::policy::{compile, compile_tables};

impl Engine {
    /// Reads the configuration and all that it names anew. What is invalid or does not fit changes nothing and raises an alarm.
    pub(super) fn reload(&mut self) {
        let read = self.sources.reread(&self.options);
        let read = read.and_then(|fresh| fresh.with(&self.feeds));
        let fits = read.and_then(|fresh| self.try_out(&fresh).map(|()| fresh));
        match fits {
            Ok(fresh) => {
                self.alarms.clear(CONFIG_REFUSED, "");
                self.alarms.replace(HOOK_RESTORED, &BTreeMap::new());
                self.take_over_lessons();
                self.feeds.follow(&fresh, self.now());
                let start = Instant::now();
                let before = std::mem::replace(&mut self.sources, fresh);
                self.open_for_itself();
                self.clock = Clock::trust();
                self.adopt_sources();
                self.warn();
                self.recheck();
                self.settle();
                self.note_changes(&before, start);
                self.keep_configuration();
                self.keep();
                tracing::info!("configuration read anew");
            }
            Err(error) => {
                let message = format!(
                    "the new configuration is refused and the one in force stays: {error:#}"
                );
                self.alarms.raise(CONFIG_REFUSED, "", message);
            }
        }
    }

    /// Compiles what `fresh` leads to.
    pub(super) fn try_out(&self, fresh: &Sources) -> Result<()> {
        let tables = compile_tables(&protected(fresh, &self.always_open())?)?;
        let mut registries = RegistryNames::default();
        registries.update(fresh, &self.cache);
        let mut standings = Vec::new();
        for exception in &fresh.config.exceptions {
            let mut standing = Standing::default();
            standing.refresh(exception, &self.root, self.clock.now())?;
            standings.push(standing);
        }
        let origins = Origins {
            sources: fresh,
            cache: &self.cache,
            registries: &registries,
            patterns: &self.patterns,
            inherited: &self.inherited,
        };
        let inputs = inputs(&origins, &standings, &mut self.ids.clone());
        compile(&inputs, tables)?;
        Ok(())
    }

    pub(super) fn recheck(&mut self) {
        let sources = &self.sources;
        self.inherited.recheck(sources);
        let check = |name: &Name, ip: IpAddr| sources.check_answer(name, ip);
        for (name, address) in self.cache.recheck(&check) {
            tracing::warn!(%name, %address, "an open address is refused by the new answer check, and closed");
        }
    }
}
