//! Limits and intervals of the cache.

use std::time::Duration;

/// How long the cache keeps addresses, how many, and how often it queries for names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// How long an address stays after the first successful answer without it.
    pub linger: Duration,
    /// The shortest interval between queries for a name, whatever its TTL.
    pub ttl_floor: Duration,
    /// The longest interval between queries for a name.
    pub ttl_ceiling: Duration,
    /// The wait after the first failure; it doubles with each further one.
    pub retry_min: Duration,
    /// The longest wait after failures.
    pub retry_max: Duration,
    /// The most names with queries in flight.
    pub in_flight: usize,
    /// The most addresses of one name from answers to the daemon, so that a lying resolver cannot fill the kernel's map.
    pub addresses: usize,
    /// The most addresses of all names together from answers to the daemon; each name has an equal share.
    pub total: usize,
    /// Seed of the jitter.
    pub seed: u64,
}

impl Default for CacheSettings {
    /// The product's values. Azure Firewall keeps the addresses of an FQDN rule for 15 minutes, too.
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(15 * 60),
            ttl_floor: Duration::from_secs(1),
            ttl_ceiling: Duration::from_secs(300),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
            in_flight: 16,
            addresses: 256,
            total: 5888,
            seed: 0,
        }
    }
}
