//! TLS: the ClientHello of each connection to an allowed address.

pub(crate) mod connection;
pub(crate) mod flow;
#[cfg(feature = "device")]
pub(crate) mod inspected;
pub(crate) mod scratch;
