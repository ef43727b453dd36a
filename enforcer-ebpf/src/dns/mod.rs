//! DNS: which sockets query resolvers, and what the answers to them allow.

pub(crate) mod budget;
pub(crate) mod client;
pub(crate) mod name;
mod observation;
pub(crate) mod scratch;
pub(crate) mod snoop;
