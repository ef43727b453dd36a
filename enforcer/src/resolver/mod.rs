//! Names to addresses: a sans-IO cache and schedule, and the half that asks the resolvers.

pub mod answer;
pub mod cache;
pub mod discovery;
pub mod hosts;
pub mod lookup;
pub mod pattern_names;
pub mod rate_limiter;
pub mod resolv_conf;
