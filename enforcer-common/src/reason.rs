//! The one rule that decided.

/// Which line of the rule decided. Codes are the counters' indices and stand in events: append, never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    /// Allowed: not globally routable and no configured prefix covers it.
    Local = 0,
    /// Allowed: the platform's address, a DNS server, or an address of the host.
    Exempt = 1,
    /// Allowed: a prefix of an exception for this cgroup.
    ExceptionPrefix = 2,
    /// Allowed: a name of an exception for this cgroup, TCP port 443.
    ExceptionName = 3,
    /// Allowed: an allowed name resolves to it, TCP port 443.
    AllowedName = 4,
    /// Allowed: nothing closes it and the default is `allow`.
    DefaultAllow = 5,
    /// Denied: an allowed name resolves to it, but this is not TCP port 443.
    WrongPort = 8,
    /// Denied: in `Storage`.
    Storage = 9,
    /// Denied: in `AzureContainerRegistry`.
    Registry = 10,
    /// Denied: in another configured tag or prefix.
    Configured = 11,
    /// Denied: nothing opens it and the default is `deny`.
    DefaultDeny = 12,
    /// Denied: the packet names further hops, so its destination field is not its destination.
    SourceRouted = 13,
    /// Denied: no IP header that can be read.
    Unreadable = 14,
    /// Denied: the protected set could not be read.
    NoTable = 15,
    /// Denied: the connection's first bytes are no TLS ClientHello.
    NotTls = 16,
    /// Denied: the ClientHello does not parse within bounds.
    HelloUnreadable = 17,
    /// Denied: the ClientHello names no server.
    NoServerName = 18,
    /// Denied: the server name is no allowed one.
    ServerNameUnknown = 19,
    /// Denied: the server name is allowed, and does not lead to this address.
    ServerNameElsewhere = 20,
    /// Denied: a segment of the ClientHello is missing or comes out of its order.
    HelloOutOfOrder = 21,
    /// Denied: data in the SYN (TCP Fast Open) before a name was seen.
    FastOpen = 22,
    /// Denied: urgent data before a name was seen.
    Urgent = 23,
    /// Denied: how the connection began was not seen.
    Unwatched = 24,
    /// Denied: TCP that does not come from a TCP socket.
    NotASocket = 25,
    /// Denied: the ClientHello names an IP address in the place of a server (RFC 6066 section 3 has none there).
    ServerNameAddress = 26,
    /// Denied: bytes of the ClientHello that are sent again are not those that were judged.
    HelloChanged = 27,
    /// Denied: the ClientHello announces early data (RFC 8446 section 4.2.10), behind which another hello could follow.
    EarlyData = 28,
    /// Denied: a segment of the ClientHello is to leave later than it is judged, and could be another one by then.
    HelloHeld = 29,
}

impl Reason {
    /// One more than the largest code.
    pub const COUNT: u32 = 32;

    /// Every reason, in the order of the codes.
    pub const ALL: [Self; 28] = [
        Self::Local,
        Self::Exempt,
        Self::ExceptionPrefix,
        Self::ExceptionName,
        Self::AllowedName,
        Self::DefaultAllow,
        Self::WrongPort,
        Self::Storage,
        Self::Registry,
        Self::Configured,
        Self::DefaultDeny,
        Self::SourceRouted,
        Self::Unreadable,
        Self::NoTable,
        Self::NotTls,
        Self::HelloUnreadable,
        Self::NoServerName,
        Self::ServerNameUnknown,
        Self::ServerNameElsewhere,
        Self::HelloOutOfOrder,
        Self::FastOpen,
        Self::Urgent,
        Self::Unwatched,
        Self::NotASocket,
        Self::ServerNameAddress,
        Self::HelloChanged,
        Self::EarlyData,
        Self::HelloHeld,
    ];

    /// The reason of a code that a map or an event holds.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == code)
    }

    /// Whether the verdict with this reason is a denial.
    pub const fn denies(self) -> bool {
        self as u8 >= Self::WrongPort as u8
    }

    /// The word in events, metrics and `--json`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Exempt => "exempt",
            Self::ExceptionPrefix => "exception-prefix",
            Self::ExceptionName => "exception-name",
            Self::AllowedName => "allowed-name",
            Self::DefaultAllow => "default-allow",
            Self::WrongPort => "wrong-port",
            Self::Storage => "storage",
            Self::Registry => "registry",
            Self::Configured => "configured-prefix",
            Self::DefaultDeny => "default-deny",
            Self::SourceRouted => "source-routed",
            Self::Unreadable => "unreadable-packet",
            Self::NoTable => "no-table",
            Self::NotTls => "not-tls",
            Self::HelloUnreadable => "hello-unreadable",
            Self::NoServerName => "no-server-name",
            Self::ServerNameUnknown => "server-name-unknown",
            Self::ServerNameElsewhere => "server-name-elsewhere",
            Self::HelloOutOfOrder => "hello-out-of-order",
            Self::FastOpen => "fast-open",
            Self::Urgent => "urgent-data",
            Self::Unwatched => "unwatched",
            Self::NotASocket => "not-a-socket",
            Self::ServerNameAddress => "server-name-address",
            Self::HelloChanged => "hello-changed",
            Self::EarlyData => "early-data",
            Self::HelloHeld => "hello-held-back",
        }
    }

    /// The sentence that a person reads.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Local => "not globally routable, and no configured prefix covers it",
            Self::Exempt => "the platform's address, a DNS server or an address of this host",
            Self::ExceptionPrefix => "a prefix of an exception for this unit",
            Self::ExceptionName => "a name of an exception for this unit resolves to it",
            Self::AllowedName => "an allowed name resolves to it",
            Self::DefaultAllow => "nothing closes it, and the default is allow",
            Self::WrongPort => {
                "an allowed name resolves to it, but only TCP port 443 is open there"
            }
            Self::Storage => "an Azure storage address that no allowed name resolves to",
            Self::Registry => {
                "an Azure container registry address that no allowed name resolves to"
            }
            Self::Configured => "a closed prefix of the configuration covers it",
            Self::DefaultDeny => "nothing opens it, and the default is deny",
            Self::SourceRouted => "the packet is source-routed past its destination field",
            Self::Unreadable => "the packet has no IP header that can be read",
            Self::NoTable => "the protected set could not be read",
            Self::NotTls => {
                "what it sends is no TLS, and only TLS to an allowed name is open there"
            }
            Self::HelloUnreadable => "its TLS ClientHello cannot be read within bounds",
            Self::NoServerName => "its TLS ClientHello names no server",
            Self::ServerNameUnknown => "its TLS ClientHello names a server that is no allowed name",
            Self::ServerNameElsewhere => {
                "its TLS ClientHello names an allowed name that does not lead to this address"
            }
            Self::HelloOutOfOrder => "a part of its TLS ClientHello is missing or out of order",
            Self::FastOpen => {
                "it sends data in the SYN (TCP Fast Open), before its TLS ClientHello can be judged"
            }
            Self::Urgent => "it sends urgent data before its TLS ClientHello was judged",
            Self::Unwatched => "the connection began before the enforcer watched: connect again",
            Self::NotASocket => "it is TCP that does not come from a TCP socket",
            Self::ServerNameAddress => {
                "its TLS ClientHello names an IP address, where only an allowed name counts"
            }
            Self::HelloChanged => {
                "what it sends again of its TLS ClientHello is not what it sent before, or too far in to tell"
            }
            Self::EarlyData => {
                "its TLS ClientHello announces early data (0-RTT), which could hide another hello: switch that off in the client"
            }
            Self::HelloHeld => {
                "its TLS ClientHello is to leave later than at once (SO_MAX_PACING_RATE, TCP_TX_DELAY), and could be another one by then"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_and_words_are_unique_and_within_the_counters() {
        let words: HashSet<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        let codes: HashSet<_> = Reason::ALL.iter().map(|reason| *reason as u8).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(codes.iter().all(|code| u32::from(*code) < Reason::COUNT));
    }

    #[test]
    fn a_code_reads_back_as_its_reason() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason as u8), Some(reason));
        }
        assert_eq!(Reason::from_code(6), None);
    }
}
