//! Compares the desired policy with the content of the maps, and applies the difference.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Result;
use enforcer_common::layout::{Settings, Switches};

use super::alarm_kind::AlarmKind;
use super::effect::{Effect, Pending, PolicyChange};
use super::evaluate::{inputs, protected};
use super::event::{ApplyFailure, TargetCgroups};
use super::event_kind::EventKind;
use super::event_record::EventRecord;
use super::exception_state::ExceptionState;
use super::policy_inputs::PolicyInputs;
use super::registry_names::RegistryNames;
use super::state::State;
use crate::config::Mode;
use crate::policy::{Desired, Held, Inputs, compile, compile_tables};
use crate::sources::Sources;

impl State {
    /// Requests the change from the current to the desired content of the maps; [`State::applied`] handles the outcome.
    pub(super) fn reconcile(&mut self) {
        match self.plan() {
            Ok(Some(change)) => self.effects.push(Effect::Apply(change)),
            Ok(None) => self.reconciled(None),
            Err(error) => self.reconciled(Some(format!("{error:#}"))),
        }
    }

    /// Returns the change to the desired policy; `None` if the maps already hold it.
    fn plan(&mut self) -> Result<Option<PolicyChange>> {
        self.refresh_exceptions();
        self.registries.update(&self.sources, &self.cache);
        let protected = protected(&self.sources, &self.always_allowed())?;
        let unchanged = self.maps.in_force.as_ref();
        let unchanged = unchanged.filter(|(in_force, _)| *in_force == protected);
        let same_tables = unchanged.map(|(_, tables)| tables.clone());
        let new_tables = same_tables.is_none();
        let tables = same_tables.map_or_else(|| compile_tables(&protected), Ok)?;
        let desired = compile(&self.inputs(), tables.clone())?;
        if !new_tables && self.maps_hold(&desired) {
            return Ok(None);
        }
        let desired = Arc::new(desired);
        let generation = self.maps.generation + 1;
        self.maps.pending = Some(Pending {
            protected,
            tables,
            desired: desired.clone(),
            generation,
        });
        Ok(Some(PolicyChange {
            held: self.maps.held.clone(),
            reads_held: self.maps.is_held_unknown,
            desired,
            tables: new_tables,
            generation,
        }))
    }

    /// Handles the outcome of a change: the maps hold what was acknowledged.
    pub(super) fn applied(&mut self, outcome: Result<(), Box<ApplyFailure>>) {
        let Some(pending) = self.maps.pending.take() else {
            return;
        };
        match outcome {
            Ok(()) => {
                self.take_in_force(pending);
                self.reconciled(None);
            }
            Err(failure) => {
                let refusal = self.take_failure(&pending, *failure);
                self.reconciled(Some(refusal));
            }
        }
    }

    fn take_in_force(&mut self, pending: Pending) {
        let Pending {
            protected,
            tables,
            desired,
            generation,
        } = pending;
        let before = self.maps.settings;
        let other_servers = self.maps.held.resolvers != desired.resolvers;
        self.maps.held = Arc::new(Held::of(&desired));
        self.maps.is_held_unknown = false;
        self.maps.settings = Settings {
            switches: desired.switches,
            exception_level: desired.exception_level,
            generation,
            snooping: desired.snooping,
            ..before
        };
        if other_servers && self.hooks.started {
            self.list_dns_sockets();
        }
        self.ids.retain(&self.maps.held.names);
        self.maps.in_force = Some((protected, tables));
        self.maps.generation = generation;
        self.maps.applied = self.now.wall;
        self.note_mode(&before);
    }

    /// Records the maps read back after a failed change, and returns the refusal. The tables may be old or new, so the next change writes
    /// them. Prefixes cannot be listed: each old or new one is recorded with the impossible deadline 0, so the next change writes or removes
    /// it. Maps that could not be read back are read by the next change, before it computes the difference.
    fn take_failure(&mut self, pending: &Pending, failure: ApplyFailure) -> String {
        self.maps.in_force = None;
        let held = Arc::make_mut(&mut self.maps.held);
        let keys = held.prefixes.keys().chain(pending.desired.prefixes.keys());
        let prefixes = keys.map(|key| (*key, 0)).collect();
        self.maps.is_held_unknown = failure.maps.is_err();
        match failure.maps {
            Ok((found, settings)) => {
                *held = Held { prefixes, ..found };
                self.maps.settings = settings;
                failure.message
            }
            Err(error) => {
                held.prefixes = prefixes;
                error
            }
        }
    }

    /// Reports the effects of a change, or why it was refused; the policy in force then stays.
    fn reconciled(&mut self, refusal: Option<String>) {
        if !self.hooks.started
            && let Some(why) = &refusal
            && self.maps.refusal.is_none()
        {
            self.forget_addresses(why);
            self.maps.refusal = refusal;
            self.due.reconcile = true;
            return;
        }
        self.maps.refusal.clone_from(&refusal);
        // The settings change after all additions and before all removals.
        let is_in_force = self.maps.settings.generation > self.maps.generation;
        let what = match is_in_force {
            true => "the new policy is in force, but entries of the old one could not be removed",
            false => "a change of policy is refused and the one in force stays",
        };
        let message = refusal.map(|why| format!("{what}: {why}"));
        self.report(AlarmKind::ChangeRefused, message);
        self.note_exceptions();
        self.refresh_alarms();
        self.note_source_changes();
    }

    /// Publishes a note if the mode differs from `before`, unless no policy was in force.
    fn note_mode(&mut self, before: &Settings) {
        let old = mode_of(before.switches);
        let new = self.sources.config.mode;
        if before.generation == 0 || old == new {
            return;
        }
        let (old, new) = (old.word().to_owned(), new.word().to_owned());
        let message = format!("the mode is {new}; it was {old}");
        let note = EventRecord::note(EventKind::Mode, message, self.now.wall);
        self.publish(note.changed(Some(old), Some(new)));
    }

    /// Returns all policy inputs except the protected set.
    fn inputs(&mut self) -> Inputs {
        let origins = PolicyInputs {
            sources: &self.sources,
            cache: &self.cache,
            registries: &self.registries,
            patterns: &self.patterns,
            inherited: &self.inherited,
        };
        let inputs = inputs(&origins, &self.exceptions, &mut self.ids);
        Inputs {
            snooping: self.snooping(),
            resolvers: self.believed_servers(),
            ..inputs
        }
    }

    /// Returns the exempt DNS servers and the host's own addresses.
    pub(super) fn always_allowed(&self) -> Vec<IpAddr> {
        let exempt = self.exempt().iter();
        exempt.chain(&self.local_addresses).copied().collect()
    }

    /// Returns whether the maps already hold `desired`, regardless of the protected set.
    fn maps_hold(&self, desired: &Desired) -> bool {
        let settings = &self.maps.settings;
        let same_settings = settings.switches == desired.switches
            && settings.exception_level == desired.exception_level
            && settings.snooping == desired.snooping;
        same_settings && Held::of(desired) == *self.maps.held
    }

    /// Takes over the settings found in the maps, so that the next reconciliation writes others than the desired ones again: root may have
    /// changed them. Only the epoch changes without a change of policy.
    pub(super) fn settings_read(&mut self, read: Result<Settings, String>) {
        let found = match read {
            Ok(found) => found,
            Err(error) => return tracing::warn!("{error}"),
        };
        let Settings { epoch, .. } = found;
        let acknowledged = Settings {
            epoch,
            ..self.maps.settings
        };
        self.maps.settings = found;
        if found != acknowledged && self.is_in_sync() {
            self.report_changed_settings();
        }
    }

    /// Returns whether the last change was applied, so that the maps hold the intended policy.
    pub(super) fn is_in_sync(&self) -> bool {
        self.maps.in_force.is_some()
    }

    fn refresh_exceptions(&mut self) {
        let wall = self.clock.now(self.now);
        let mut failures = BTreeMap::new();
        let exceptions = self.sources.config.exceptions.iter();
        for (exception, state) in exceptions.zip(&mut self.exceptions) {
            if let Err(error) = state.refresh(exception, &self.cgroups, wall, self.now.boot) {
                failures.insert(exception.target.to_string(), error.to_owned());
            }
        }
        self.alarms.replace(AlarmKind::ExceptionTarget, &failures);
    }

    /// Compiles the policy of `fresh` with these cgroups, without applying it.
    ///
    /// # Errors
    /// If it yields no valid policy.
    pub(super) fn try_out(&self, fresh: &Sources, cgroups: &TargetCgroups) -> Result<()> {
        let tables = compile_tables(&protected(fresh, &self.always_allowed())?)?;
        let mut registries = RegistryNames::default();
        registries.update(fresh, &self.cache);
        let mut exceptions = Vec::new();
        for exception in &fresh.config.exceptions {
            let mut state = ExceptionState::default();
            let wall = self.clock.now(self.now);
            state
                .refresh(exception, cgroups, wall, self.now.boot)
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            exceptions.push(state);
        }
        let origins = PolicyInputs {
            sources: fresh,
            cache: &self.cache,
            registries: &registries,
            patterns: &self.patterns,
            inherited: &self.inherited,
        };
        let inputs = inputs(&origins, &exceptions, &mut self.ids.clone());
        compile(&inputs, tables)?;
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
