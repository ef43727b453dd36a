//! The programs that are loaded for a test.

/// The programs of cgroups.
pub(crate) const PROGRAMS: [&str; 8] = [
    "egress",
    "explain",
    "connect4",
    "connect6",
    "sendmsg4",
    "sendmsg6",
    "socket_owner",
    "dns_snoop",
];
