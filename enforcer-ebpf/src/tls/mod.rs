//! TLS: the ClientHello of each connection to an allowed address.

pub(crate) mod flow;
pub(crate) mod scratch;
