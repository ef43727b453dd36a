//! Events that result from actions.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use enforcer_common::layout::{AddressGrant, SnoopedGrant};
use enforcer_common::{DnsObservation, ObservationOutcome};

use super::super::event::{DetachedHook, Event, HookCheck, Reload};
use super::super::questions::Reply;
use super::action::Action;
use super::fixtures::{ADDRESSES, NAMES, resolvers, surroundings};
use super::model::key;
use super::world::World;
use crate::name::Name;
use crate::policy::name_key;
use crate::resolver::answer::{Family, LookupFailure, Resolved};

impl World {
    pub(super) fn event(&mut self, action: Action) -> Event {
        match action {
            Action::Answer {
                name,
                addresses,
                ttl,
            } => self.answer(name, addresses, ttl),
            Action::Fail { name } => {
                let name: Name = NAMES[name].parse().unwrap();
                if let Some((_, fails)) = self.answers.get_mut(&name) {
                    *fails = true;
                }
                let failed = Err(LookupFailure::Timeout);
                Event::Answered(Box::new(Reply::Policy(name, Family::V4, failed)))
            }
            Action::Observe { name, address } => self.observe(name, address),
            Action::Tick { agent_runs, .. } => {
                self.agent_runs = agent_runs;
                self.renew_observed();
                Event::Tick(Box::new(surroundings(&self.maps, agent_runs)))
            }
            Action::Reload(configuration) => {
                self.renew_observed();
                let read = configuration.map(|index| self.configurations[index].clone());
                Event::Reload(Box::new(Reload {
                    read: read.ok_or_else(|| "line 1: no such key".to_owned()),
                    hosts: Vec::new(),
                    resolvers: Ok(resolvers()),
                    surroundings: surroundings(&self.maps, self.agent_runs),
                }))
            }
            Action::LocalAddress(last) => {
                Event::LocalAddresses(vec![IpAddr::from([203, 0, 113, last])])
            }
            Action::CheckHooks { detached } => Event::HooksChecked(HookCheck {
                scope_is_current: true,
                detached: Vec::from_iter(detached.then_some(DetachedHook {
                    name: "egress",
                    judged: false,
                })),
                socket_memory: None,
            }),
            Action::Save => Event::SaveDue,
            Action::ChangeSettings => {
                self.maps.change_mode();
                Event::SaveDue
            }
        }
    }

    fn answer(&mut self, name: usize, addresses: u8, ttl: u64) -> Event {
        let name: Name = NAMES[name].parse().unwrap();
        let chosen = (0..ADDRESSES.len()).filter(|bit| addresses & (1 << bit) != 0);
        let addresses: Vec<IpAddr> = chosen.map(|at| ADDRESSES[at].parse().unwrap()).collect();
        let sources = &self.state.sources;
        let is_good = |ip: &&IpAddr| !sources.check_answer(&name, **ip).is_refusal();
        let good: BTreeSet<IpAddr> = addresses.iter().filter(is_good).copied().collect();
        if sources.registry_names().any(|known| *known == name) {
            for address in &good {
                let said = (name.clone(), *address);
                self.given.insert(said, self.now.since_start);
            }
            if good.is_empty() {
                if let Some((_, fails)) = self.answers.get_mut(&name) {
                    *fails = true;
                }
            } else {
                self.answers.insert(name.clone(), (good, false));
            }
        }
        let answer = if addresses.is_empty() {
            Err(LookupFailure::NoAddress { ttl: None })
        } else {
            Ok(Resolved {
                addresses,
                ttl: Duration::from_secs(ttl),
                chain: Vec::new(),
            })
        };
        Event::Answered(Box::new(Reply::Policy(name, Family::V4, answer)))
    }

    /// Returns the programs' observation of an answer to another program, if they know its name.
    fn observe(&mut self, name: usize, address: usize) -> Event {
        let name: Name = NAMES[name].parse().unwrap();
        let ip: IpAddr = ADDRESSES[address].parse().unwrap();
        let Some(entry) = self.maps.held.names.get(&name_key(name.as_str())) else {
            return Event::RegistryDenied;
        };
        let sources = &self.state.sources;
        if sources.registry_names().any(|known| *known == name)
            && !sources.check_answer(&name, ip).is_refusal()
        {
            self.given.insert((name.clone(), ip), self.now.since_start);
        }
        let mut snooped = SnoopedGrant {
            deadline: self.now.boot + 900_000_000_000,
            ..SnoopedGrant::default()
        };
        snooped.claims[0] = 7;
        for id in [AddressGrant::ADDRESS, entry.id] {
            let grant = AddressGrant::new(0, key(ip), id);
            self.maps.snooped.insert(grant, snooped);
        }
        let observation = DnsObservation {
            cgroup: 7,
            address: key(ip),
            name: entry.id,
            outcome: ObservationOutcome::Allowed as u32,
            time: self.now.boot,
            ttl: 1,
            reserved: 0,
        };
        Event::Observed(vec![(observation, None)])
    }

    /// Records the addresses of unexpired observations as given now.
    fn renew_observed(&mut self) {
        let ids = NAMES.map(|name| {
            self.maps
                .held
                .names
                .get(&name_key(name))
                .map(|entry| entry.id)
        });
        for (grant, snooped) in &self.maps.snooped {
            let name = ids.iter().position(|id| *id == Some(grant.name));
            if let Some(name) = name
                && snooped.deadline > self.now.boot
            {
                let ip = IpAddr::from(grant.address).to_canonical();
                let said = (NAMES[name].parse().unwrap(), ip);
                self.given.insert(said, self.now.since_start);
            }
        }
    }
}
