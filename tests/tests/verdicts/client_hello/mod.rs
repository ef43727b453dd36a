//! The first bytes of connections to addresses allowed by name.

mod first_segment;
mod fixture;
mod hello_retry;
mod policy_change;
mod retransmission;
mod scopes;
mod send_methods;
mod sink;
mod socket_client;
mod tls_records;
