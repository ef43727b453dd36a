//! Network devices and their filters, in network namespaces of the tests: never the machine's own devices.

mod explain;
mod forwarded;
mod full;
mod gap;
mod ipsec;
mod lifecycle;
mod listing;
mod others;
mod replaced;
mod scene;
mod socket_options;
