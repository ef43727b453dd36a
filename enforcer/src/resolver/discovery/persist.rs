//! The replicas to and from the state file.

use std::time::Duration;

use jiff::Timestamp;

use super::Discovery;
use super::probe::Probe;
use crate::config::Cloud;
use crate::resolver::cache::persist::{age, before};
use crate::state::Replicas;

impl Discovery {
    /// Enters the replicas of earlier runs, those of registries that are looked for (so [`Discovery::set`] comes first). All are asked for
    /// again at once. Sightings in the future, after the wall clock jumped back, count as now.
    pub fn restore(
        &mut self,
        replicas: &Replicas,
        cloud: Cloud,
        now_wall: Timestamp,
        now: Duration,
    ) {
        for (login_server, regions) in replicas {
            let of_registry = self.probes.values().find(|probe| probe.is_of(login_server));
            let Some(private_endpoints) = of_registry.map(|probe| probe.private_endpoints.clone())
            else {
                continue;
            };
            for (region, seen) in regions {
                let Some(mut new) = Probe::new(login_server, region, cloud, now) else {
                    continue;
                };
                new.private_endpoints = private_endpoints.clone();
                let probe = self.probes.entry(new.endpoint.name.clone()).or_insert(new);
                probe.restore(age(now_wall, *seen), now);
            }
        }
    }

    /// What to write to the state file. Wall times are reckoned back from `now_wall`, so a clock that was wrong when a replica was seen does
    /// not matter.
    pub fn persist(&self, now_wall: Timestamp, now: Duration) -> Replicas {
        let mut replicas = Replicas::new();
        for probe in self.probes.values() {
            if let Some(replica) = probe.replica(now) {
                let regions = replicas.entry(probe.login_server().clone()).or_default();
                regions.insert(probe.region.clone(), before(now_wall, replica.age));
            }
        }
        replicas
    }
}
