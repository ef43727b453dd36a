//! Reload of the configuration: adopted completely or not at all.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::alarm_kind::AlarmKind;
use super::clock::Clock;
use super::effect::Effect;
use super::event::Reload;
use super::state::State;
use crate::name::Name;

impl State {
    /// Adopts a newly read configuration and its sources. An invalid one, or one whose policy does not compile, only raises an alarm.
    pub(super) fn reload(&mut self, reload: Reload) {
        self.effects.push(Effect::WatchConfigured);
        let Reload {
            read,
            hosts,
            resolvers,
            surroundings,
        } = reload;
        let checked = read.and_then(|fresh| {
            let fresh = fresh.with(&self.dynamic);
            let checked =
                fresh.and_then(|fresh| self.try_out(&fresh, &surroundings.cgroups).map(|()| fresh));
            checked.map_err(|error| format!("{error:#}"))
        });
        let fresh = match checked {
            Ok(fresh) => fresh,
            Err(error) => {
                let message =
                    format!("the new configuration is refused and the one in force stays: {error}");
                return self.alarms.raise(AlarmKind::ConfigRefused, "", message);
            }
        };
        self.alarms.clear(AlarmKind::ConfigRefused, "");
        self.alarms
            .replace(AlarmKind::HookRestored, &BTreeMap::new());
        self.settings_read(surroundings.settings);
        self.take_over_observations(surroundings.observations);
        self.dynamic.follow(&fresh, hosts, self.now);
        self.take_sources(fresh);
        self.cgroups = surroundings.cgroups;
        self.take_resolvers(resolvers);
        self.update_self_exception(surroundings.own_cgroup);
        self.clock = Clock::trust(self.now);
        self.adopt_sources();
        self.warn();
        self.recheck();
        self.devices_reloaded();
        self.due.keep_configuration = true;
        self.due.save_sources = true;
        tracing::info!("configuration reloaded");
    }

    /// Rechecks all addresses after the service tags or the configuration changed.
    pub(super) fn recheck(&mut self) {
        let sources = &self.sources;
        self.inherited.recheck(sources);
        let check = |name: &Name, ip: IpAddr| sources.check_answer(name, ip);
        for (name, address) in self.cache.recheck(&check) {
            tracing::warn!(%name, %address, "an allowed address is refused by the new answer check, and denied");
        }
    }
}
