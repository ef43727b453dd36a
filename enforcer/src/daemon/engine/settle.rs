//! Evaluate, compare, apply.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Result;
use enforcer_common::layout::{Settings, Switches};
use jiff::Timestamp;

use super::Engine;
use crate::config::Mode;
use crate::control::EventRecord;
use crate::control::event_kinds::MODE;
use crate::daemon::evaluate::{inputs, protected};
use crate::daemon::known::Origins;
use crate::policy::{Desired, Held, Inputs, compile, compile_tables};
use crate::sys::KernelError;

impl Engine {
    /// Applies, and raises an alarm where that fails: the policy in force stays.
    pub(in crate::daemon) fn settle(&mut self) {
        let applied = self.apply();
        let message = applied.err().map(|error| {
            format!("a change of policy is refused and the one in force stays: {error:#}")
        });
        self.alarms.set("change-refused", "", message);
        self.note_exceptions();
        self.look_around();
    }

    /// Evaluates what should be in force, and changes what is.
    pub(super) fn apply(&mut self) -> Result<()> {
        self.refresh_exceptions();
        self.registries.update(&self.sources, &self.cache);
        let protected = protected(&self.sources, &self.always_open())?;
        let unchanged = self
            .in_force
            .as_ref()
            .filter(|(held, _)| *held == protected);
        let same_tables = unchanged.map(|(_, tables)| tables.clone());
        let new_tables = same_tables.is_none();
        let tables = same_tables.map_or_else(|| compile_tables(&protected), Ok)?;
        let inputs = self.inputs();
        let desired = compile(&inputs, tables.clone())?;
        if !new_tables && self.holds(&desired)? {
            return Ok(());
        }
        let before = self.kernel.maps.settings()?;
        let generation = self.generation + 1;
        if let Err(error) = self
            .kernel
            .maps
            .apply(&self.held, &desired, new_tables, generation)
        {
            self.relearn_held(&desired)?;
            return Err(error.into());
        }
        let other_servers = self.held.resolvers != desired.resolvers;
        self.held = Held::of(&desired);
        if other_servers {
            self.list_dns_sockets();
        }
        self.ids.retain(&self.held.names);
        self.in_force = Some((protected, tables));
        self.generation = generation;
        self.applied = Timestamp::now();
        self.note_mode(&before);
        Ok(())
    }

    /// Notes another mode than `before`, if a policy was in force then.
    fn note_mode(&mut self, before: &Settings) {
        let old = mode_of(before.switches);
        let new = self.sources.config.mode;
        if before.generation == 0 || old == new {
            return;
        }
        let (old, new) = (old.word().to_owned(), new.word().to_owned());
        let message = format!("the mode is {new}; it was {old}");
        self.publish(EventRecord::note(MODE, message).changed(Some(old), Some(new)));
    }

    /// What decides all but the protected set.
    fn inputs(&mut self) -> Inputs {
        let origins = Origins {
            sources: &self.sources,
            cache: &self.cache,
            registries: &self.registries,
            patterns: &self.patterns,
            inherited: &self.inherited,
        };
        let inputs = inputs(&origins, &self.standings, &mut self.ids);
        Inputs {
            snooping: self.snooping(),
            resolvers: self.servers(),
            ..inputs
        }
    }

    /// DNS servers and the host's own addresses.
    pub(in crate::daemon) fn always_open(&self) -> Vec<IpAddr> {
        self.resolvers
            .exempt()
            .iter()
            .chain(&self.own)
            .copied()
            .collect()
    }

    /// Whether the maps hold `desired` already, the protected set aside.
    fn holds(&self, desired: &Desired) -> Result<bool, KernelError> {
        let settings = self.kernel.maps.settings()?;
        let same_settings = settings.switches == desired.switches
            && settings.exception_level == desired.exception_level
            && settings.snooping == desired.snooping;
        Ok(same_settings && Held::of(desired) == self.held)
    }

    fn refresh_exceptions(&mut self) {
        let now = self.clock.now();
        let mut failures = BTreeMap::new();
        for (exception, standing) in self
            .sources
            .config
            .exceptions
            .iter()
            .zip(&mut self.standings)
        {
            if let Err(error) = standing.refresh(exception, &self.root, now) {
                failures.insert(exception.target.to_string(), error.to_string());
            }
        }
        self.alarms.replace("exception-target", &failures);
    }

    /// After a failed change: reads back what the maps hold. The tables may be either set, so the next change writes them. Prefixes cannot be
    /// listed: each that was or should be there is held with an end that none has, so the next change writes or removes it.
    fn relearn_held(&mut self, desired: &Desired) -> Result<(), KernelError> {
        self.in_force = None;
        let keys = self.held.prefixes.keys().chain(desired.prefixes.keys());
        self.held.prefixes = keys.map(|key| (*key, 0)).collect();
        let found = self.kernel.maps.held()?;
        self.held = Held {
            prefixes: std::mem::take(&mut self.held.prefixes),
            ..found
        };
        Ok(())
    }
}

fn mode_of(switches: Switches) -> Mode {
    if switches.audits() {
        Mode::Audit
    } else {
        Mode::Enforce
    }
}
