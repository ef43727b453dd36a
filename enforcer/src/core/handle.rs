//! Dispatches events and acknowledgements, and completes the work that handlers leave.

use std::net::IpAddr;
use std::time::Duration;

use super::effect::Effect;
use super::event::{Acknowledgement, Event, Surroundings};
use super::state::State;
use crate::config::{TTL_CEILING, TTL_FLOOR};
use crate::now::Now;

/// Delay before changed addresses are saved together.
const SAVE_AFTER: Duration = Duration::from_secs(5);
/// Minimum wait while no resolver is known: due names stay due until then.
const RESOLVER_RETRY: Duration = Duration::from_secs(1);

impl State {
    /// Handles an event, and returns its effects in order. The shell acknowledges each effect before the next event.
    pub(crate) fn on(&mut self, event: Event, now: Now) -> Vec<Effect> {
        self.begin(now);
        let is_acknowledgement = matches!(event, Event::Acknowledged(_));
        self.handle(event);
        self.finish();
        if !is_acknowledgement {
            self.ask();
        }
        self.take_effects()
    }

    pub(super) fn begin(&mut self, now: Now) {
        self.now = now;
        self.alarms.set_time(now.wall);
    }

    /// Completes the work that handlers left in [`State::due`].
    pub(super) fn finish(&mut self) {
        while self.due.reconcile && self.maps.pending.is_none() {
            self.due.reconcile = false;
            self.reconcile();
        }
        if self.due.sweep && self.maps.pending.is_none() {
            self.due.sweep = false;
            self.effects.push(Effect::ReadObservations);
        }
        if std::mem::take(&mut self.due.keep_configuration) {
            self.keep_configuration();
        }
        if std::mem::take(&mut self.due.save_sources) {
            self.save_sources();
        }
        if self.due.resolve {
            self.due.resolve = false;
            self.resolve();
        }
    }

    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        let mut effects = std::mem::take(&mut self.effects);
        effects.extend(self.alarms.take_effects());
        effects
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Answered(reply) => self.answered(*reply),
            Event::Observed(observations) => self.observed(&observations),
            Event::RegistryDenied => self.registry_denied(),
            Event::Fetched(fetched) => self.fetched(*fetched),
            Event::FileRead(file, read) => self.file_read(&file, read),
            Event::LocalAddresses(addresses) => self.local_addresses_changed(addresses),
            Event::Tick(surroundings) => self.tick(*surroundings),
            Event::SaveDue => self.save(),
            Event::Reload(reload) => self.reload(*reload),
            Event::HooksChecked(check) => self.hooks_checked(check),
            Event::DevicesListed(listed) => self.devices_listed(listed),
            Event::IpsecPoliciesListed(policies) => self.ipsec_policies_listed(policies),
            Event::Alarm(kind, message) => self.alarms.set(kind, "", message),
            Event::Attached => self.attached(),
            Event::Stopping { filters_stay } => self.stopping(filters_stay),
            Event::Acknowledged(acknowledgement) => self.acknowledged(acknowledgement),
        }
    }

    fn acknowledged(&mut self, acknowledgement: Acknowledgement) {
        match acknowledgement {
            Acknowledgement::Applied(outcome) => self.applied(outcome),
            Acknowledgement::ObservationsRead(read) => self.sweep(read),
            Acknowledgement::ObservationsRemoved(outcome) => warn(outcome),
            Acknowledgement::ResolversRead(read) => self.resolvers_read(read),
            Acknowledgement::DnsSocketsListed(outcome) => self.dns_sockets_listed(outcome),
            Acknowledgement::Reattached(outcome) => self.reattached(outcome),
            Acknowledgement::PinsRestored(outcome) => self.pins_restored(outcome),
            Acknowledgement::HookRestored(hook, outcome) => self.hook_restored(hook, outcome),
            Acknowledgement::HooksListed(attached) => self.hooks_listed(attached),
            Acknowledgement::DeviceProgramsLoaded(outcome) => self.device_programs_loaded(outcome),
            Acknowledgement::DeviceFiltered(plan, outcome) => self.device_filtered(plan, outcome),
            Acknowledgement::DeviceUnfiltered(index, outcome) => {
                self.device_unfiltered(index, outcome);
            }
            Acknowledgement::OptionsGuarded(mode, outcome) => self.options_guarded(mode, outcome),
            Acknowledgement::ForwardedModesSet(outcome) => self.forwarded_modes_set(outcome),
            Acknowledgement::AddressesSaved(outcome) => self.addresses_saved(outcome),
            Acknowledgement::SourcesSaved(outcome) => self.sources_saved(outcome),
            Acknowledgement::ConfigurationKept(outcome) => self.configuration_kept(outcome),
            Acknowledgement::OtherVersionsRemoved(outcome) => self.other_versions_removed(outcome),
        }
    }

    fn stopping(&mut self, filters_stay: bool) {
        self.save();
        if !filters_stay {
            self.leave_devices();
        }
    }

    /// Expires lingering addresses, merges the looked-up host state, and schedules reconciliation.
    fn tick(&mut self, surroundings: Surroundings) {
        let now = self.now.since_start;
        self.ticked = now;
        let Surroundings {
            scope_is_current,
            own_cgroup,
            cgroups,
            observations,
            settings,
        } = surroundings;
        self.cgroups = cgroups;
        self.settings_read(settings);
        self.check_scope(scope_is_current);
        self.update_self_exception(own_cgroup);
        self.inherited.expire(now);
        let gone = self.cache.expire(now);
        for (name, address) in &gone {
            tracing::debug!(%name, %address, "lingered long enough");
        }
        self.unsaved |= !gone.is_empty();
        self.patterns.expire(self.sources.config.dns.linger, now);
        self.release_budgets();
        self.take_over_observations(observations);
        self.due.reconcile = true;
        self.due.sweep = true;
    }

    /// Requeries all names after a registry was denied: possibly an allowed one whose new address only the client has resolved, so that
    /// its next attempt succeeds. At most once per [`TTL_FLOOR`].
    fn registry_denied(&mut self) {
        let now = self.now.since_start;
        if now.saturating_sub(self.requeried) >= TTL_FLOOR {
            self.requeried = now;
            self.cache.requery_now(now);
        }
    }

    fn local_addresses_changed(&mut self, addresses: Vec<IpAddr>) {
        if addresses != self.local_addresses {
            self.local_addresses = addresses;
            self.due.reconcile = true;
        }
    }

    /// Requests due work: resolvers for names, sources, and a save.
    fn ask(&mut self) {
        let now = self.now.since_start;
        if !self.due.reading_resolvers && self.next_question().is_some_and(|wake| wake <= now) {
            // A new resolver is exempt before it is queried.
            self.due.reading_resolvers = true;
            let servers = self.sources.config.dns.servers.clone();
            self.effects.push(Effect::ReadResolvers(servers));
        }
        self.fetch();
        if self.save_at.is_none() && self.is_unsaved() {
            self.save_at = Some(now + SAVE_AFTER);
        }
    }

    /// Returns the time until the next tick. Cgroups named in the policy are looked up at most `patience` after the last tick.
    pub(crate) fn idle(&self, patience: Duration, now: Now) -> Duration {
        let since_start = now.since_start;
        let next = self.next_question().unwrap_or(TTL_CEILING);
        let fetches = self.dynamic.next_wake().filter(|_| self.reach().is_some());
        let next = fetches.map_or(next, |fetches| fetches.min(next));
        let ends = self.patterns.next_end(self.sources.config.dns.linger);
        let next = ends.map_or(next, |ends| ends.min(next));
        let idle = next.saturating_sub(since_start);
        let idle = match self.resolvers {
            Some(_) => idle,
            None => idle.max(RESOLVER_RETRY),
        };
        if self.sources.config.exceptions.is_empty() && self.sources.config.scope.is_none() {
            return idle;
        }
        let rescan = (self.ticked + patience).saturating_sub(since_start);
        let exceptions = self.exceptions.iter();
        let ends = exceptions.filter_map(|exception| exception.left(now));
        ends.fold(idle.min(rescan), Duration::min)
    }
}

fn warn(outcome: Result<(), String>) {
    if let Err(error) = outcome {
        tracing::warn!("{error}");
    }
}
