//! The line of the rule that decided, and its consequences.

mod text;

use crate::coded_enum::coded_enum;

coded_enum! {
    /// The line of the rule that decided. Codes index counters and are stored in events.
    pub enum Reason: u8 {
        /// Allowed: not globally routable, and no protected prefix covers it.
        Local = 0,
        /// Allowed: the platform's address, a DNS server, or an address of the host.
        Exempt = 1,
        /// Allowed: a prefix of an exception for this cgroup.
        ExceptionPrefix = 2,
        /// Allowed: a name of an exception for this cgroup resolves to it, TCP port 443.
        ExceptionName = 3,
        /// Allowed: an allowed name resolves to it, TCP port 443.
        AllowedName = 4,
        /// Allowed: nothing protects it and the default is `allow`.
        DefaultAllow = 5,
        /// Denied: an allowed name resolves to it, but this is not TCP port 443.
        WrongPort = 8,
        /// Denied: in `Storage`.
        Storage = 9,
        /// Denied: in `AzureContainerRegistry`.
        Registry = 10,
        /// Denied: in another configured tag or prefix.
        Configured = 11,
        /// Denied: nothing allows it and the default is `deny`.
        DefaultDeny = 12,
        /// Denied: the packet names further hops, so its destination field is not its destination.
        SourceRouted = 13,
        /// Denied: no readable IP header.
        Unreadable = 14,
        /// Denied: the protected set could not be read.
        NoTable = 15,
        /// Denied: the connection does not begin with a TLS ClientHello.
        NotTls = 16,
        /// Denied: the ClientHello does not parse within bounds.
        HelloUnreadable = 17,
        /// Denied: the ClientHello names no server.
        NoServerName = 18,
        /// Denied: the server name is not an allowed name.
        ServerNameUnknown = 19,
        /// Denied: the server name is allowed but does not resolve to this address.
        ServerNameElsewhere = 20,
        /// Denied: a segment of the ClientHello is missing or out of order.
        HelloOutOfOrder = 21,
        /// Denied: data in the SYN (TCP Fast Open), before a server name was seen.
        FastOpen = 22,
        /// Denied: urgent data before a server name was seen.
        Urgent = 23,
        /// Denied: the connection's SYN was not seen.
        NoSynSeen = 24,
        /// Denied: TCP that no TCP socket sends.
        NoTcpSocket = 25,
        /// Denied: the ClientHello names an IP address as the server (RFC 6066 section 3 forbids that).
        ServerNameAddress = 26,
        /// Denied: a retransmitted part of the ClientHello differs from the inspected bytes.
        RetransmitMismatch = 27,
        /// Denied: the ClientHello announces early data (RFC 8446 section 4.2.10), which could hide a second ClientHello.
        EarlyData = 28,
        /// Denied: a segment of the ClientHello has a future departure time, so its bytes could change before they are sent.
        DelayedTransmit = 29,
        /// Denied: no room to track the connection, which no socket of this host sends.
        FlowsFull = 30,
        /// Denied: with this socket option, packets would pass the filters of network devices unseen.
        BypassOption = 31,
    }
}

impl Reason {
    /// Upper bound of the codes, exclusive.
    pub const COUNT: u32 = 32;

    /// The denial with this code; `unknown` for any other code.
    #[inline(always)]
    pub const fn denial_from_code(code: u8, unknown: Self) -> Self {
        match Self::from_code(code) {
            Some(reason) if reason.denies() => reason,
            _ => unknown,
        }
    }

    /// The verdict that follows from the reason.
    #[inline(always)]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Local
            | Self::Exempt
            | Self::ExceptionPrefix
            | Self::ExceptionName
            | Self::AllowedName
            | Self::DefaultAllow => Verdict::Allow,
            Self::WrongPort
            | Self::Storage
            | Self::Registry
            | Self::Configured
            | Self::DefaultDeny
            | Self::SourceRouted
            | Self::Unreadable
            | Self::NoTable
            | Self::NotTls
            | Self::HelloUnreadable
            | Self::NoServerName
            | Self::ServerNameUnknown
            | Self::ServerNameElsewhere
            | Self::HelloOutOfOrder
            | Self::FastOpen
            | Self::Urgent
            | Self::NoSynSeen
            | Self::NoTcpSocket
            | Self::ServerNameAddress
            | Self::RetransmitMismatch
            | Self::EarlyData
            | Self::DelayedTransmit
            | Self::FlowsFull
            | Self::BypassOption => Verdict::Deny,
        }
    }

    /// Whether the verdict is a denial.
    #[inline(always)]
    pub const fn denies(self) -> bool {
        matches!(self.verdict(), Verdict::Deny)
    }

    /// What a denial by the TLS check means for the rest of its connection.
    #[inline(always)]
    pub const fn effect_on_connection(self) -> ConnectionEffect {
        match self {
            Self::ServerNameUnknown | Self::ServerNameElsewhere => {
                ConnectionEffect::UntilNameIsGranted
            }
            Self::NotTls
            | Self::HelloUnreadable
            | Self::NoServerName
            | Self::ServerNameAddress
            | Self::Urgent
            | Self::EarlyData => ConnectionEffect::Terminal,
            Self::HelloOutOfOrder
            | Self::FastOpen
            | Self::NoSynSeen
            | Self::NoTcpSocket
            | Self::RetransmitMismatch
            | Self::DelayedTransmit => ConnectionEffect::SegmentOnly,
            Self::Local
            | Self::Exempt
            | Self::ExceptionPrefix
            | Self::ExceptionName
            | Self::AllowedName
            | Self::DefaultAllow
            | Self::WrongPort
            | Self::Storage
            | Self::Registry
            | Self::Configured
            | Self::DefaultDeny
            | Self::SourceRouted
            | Self::Unreadable
            | Self::NoTable
            | Self::FlowsFull
            | Self::BypassOption => ConnectionEffect::SegmentOnly,
        }
    }

    /// Whether a report of the denial shows the server name as far as it was read.
    #[inline(always)]
    pub const fn shows_server_name(self) -> bool {
        match self {
            Self::HelloUnreadable
            | Self::ServerNameUnknown
            | Self::ServerNameElsewhere
            | Self::ServerNameAddress => true,
            Self::Local
            | Self::Exempt
            | Self::ExceptionPrefix
            | Self::ExceptionName
            | Self::AllowedName
            | Self::DefaultAllow
            | Self::WrongPort
            | Self::Storage
            | Self::Registry
            | Self::Configured
            | Self::DefaultDeny
            | Self::SourceRouted
            | Self::Unreadable
            | Self::NoTable
            | Self::NotTls
            | Self::NoServerName
            | Self::HelloOutOfOrder
            | Self::FastOpen
            | Self::Urgent
            | Self::NoSynSeen
            | Self::NoTcpSocket
            | Self::RetransmitMismatch
            | Self::EarlyData
            | Self::DelayedTransmit
            | Self::FlowsFull
            | Self::BypassOption => false,
        }
    }
}

/// Allow or deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Verdict {
    /// It may leave.
    Allow,
    /// It may not leave.
    Deny,
}

/// What a denial of one segment means for its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionEffect {
    /// Nothing: the segment may be sent again and is then checked again.
    SegmentOnly,
    /// The connection stays denied until the name in its ClientHello is granted for its address.
    UntilNameIsGranted,
    /// The connection stays denied.
    Terminal,
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
    fn every_code_reads_back_as_its_reason() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_code(reason as u8), Some(reason));
        }
        assert_eq!(Reason::from_code(6), None);
        assert_eq!(Reason::from_code(u8::MAX), None);
    }

    #[test]
    fn only_a_denial_comes_back_as_one() {
        for code in 0..=u8::MAX {
            let denial = Reason::denial_from_code(code, Reason::NoSynSeen);
            assert!(denial.denies());
            let known = Reason::from_code(code).filter(|reason| reason.denies());
            assert_eq!(denial, known.unwrap_or(Reason::NoSynSeen));
        }
    }
}
