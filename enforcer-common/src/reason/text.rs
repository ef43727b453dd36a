//! The words and sentences of reasons.

use super::Reason;

impl Reason {
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
            Self::NoSynSeen => "no-syn-seen",
            Self::NoTcpSocket => "no-tcp-socket",
            Self::ServerNameAddress => "server-name-address",
            Self::RetransmitMismatch => "retransmit-mismatch",
            Self::EarlyData => "early-data",
            Self::DelayedTransmit => "delayed-transmit",
            Self::FlowsFull => "flows-full",
            Self::BypassOption => "bypass-option",
        }
    }

    /// The sentence for people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Local => "not globally routable, and no protected prefix covers it",
            Self::Exempt => "the platform's address, a DNS server or an address of this host",
            Self::ExceptionPrefix => "a prefix of an exception for this unit",
            Self::ExceptionName => "a name of an exception for this unit resolves to it",
            Self::AllowedName => "an allowed name resolves to it",
            Self::DefaultAllow => "nothing protects it, and the default is allow",
            Self::WrongPort => {
                "an allowed name resolves to it, but only TCP port 443 is allowed there"
            }
            Self::Storage => "an Azure storage address that no allowed name resolves to",
            Self::Registry => {
                "an Azure container registry address that no allowed name resolves to"
            }
            Self::Configured => "a protected prefix of the configuration covers it",
            Self::DefaultDeny => "nothing allows it, and the default is deny",
            Self::SourceRouted => "the packet is source-routed past its destination field",
            Self::Unreadable => "the packet has no readable IP header",
            Self::NoTable => "the protected set could not be read",
            Self::NotTls => {
                "the connection does not begin with TLS, and only TLS to an allowed name is allowed there"
            }
            Self::HelloUnreadable => "its TLS ClientHello cannot be parsed within bounds",
            Self::NoServerName => "its TLS ClientHello names no server",
            Self::ServerNameUnknown => {
                "its TLS ClientHello names a server that is not an allowed name"
            }
            Self::ServerNameElsewhere => {
                "its TLS ClientHello names an allowed name that does not resolve to this address"
            }
            Self::HelloOutOfOrder => "a part of its TLS ClientHello is missing or out of order",
            Self::FastOpen => {
                "it sends data in the SYN (TCP Fast Open), before its TLS ClientHello can be checked"
            }
            Self::Urgent => "it sends urgent data before its TLS ClientHello was checked",
            Self::NoSynSeen => {
                "the connection's SYN was not seen, because it began before enforcement: connect again"
            }
            Self::NoTcpSocket => "it is TCP that no TCP socket sends",
            Self::ServerNameAddress => {
                "its TLS ClientHello names an IP address, where only an allowed name counts"
            }
            Self::RetransmitMismatch => {
                "a retransmitted part of its TLS ClientHello differs from the original, or lies beyond the 3,072 bytes recorded"
            }
            Self::EarlyData => {
                "its TLS ClientHello announces early data (0-RTT), which could hide a second ClientHello: switch that off in the client"
            }
            Self::DelayedTransmit => {
                "its TLS ClientHello has a future departure time (SO_MAX_PACING_RATE, TCP_TX_DELAY), so its bytes could change before they are sent"
            }
            Self::FlowsFull => {
                "too many connections without a socket of this host are open, from its source or in all"
            }
            Self::BypassOption => {
                "with this socket option, packets pass the filters of network devices unseen, or change after them"
            }
        }
    }
}
