//! Resolves names: a cache and a schedule without I/O, and lookups at the configured resolvers.

pub mod answer;
pub mod cache;
pub mod discovery;
pub mod hosts;
pub mod lookup;
mod moment;
pub mod pattern_names;
pub mod rate_limiter;
pub mod resolv_conf;
mod schedule;
mod settings;
