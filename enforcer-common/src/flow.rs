//! The fields of a packet or connection attempt that the rule reads.

use crate::address::Address;

/// IP protocol number of TCP (IANA).
pub(crate) const TCP: u8 = 6;
/// IP protocol number of UDP (IANA).
pub(crate) const UDP: u8 = 17;

/// Transport protocol and destination port, as far as they can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, to this port.
    Tcp(u16),
    /// UDP, to this port.
    Udp(u16),
    /// Another protocol, by its IP protocol number.
    Other(u8),
    /// A protocol whose ports cannot be seen: a fragment, or headers that end early.
    Hidden(u8),
}

impl Transport {
    /// The IP protocol number.
    pub const fn protocol(self) -> u8 {
        match self {
            Self::Tcp(_) => TCP,
            Self::Udp(_) => UDP,
            Self::Other(protocol) | Self::Hidden(protocol) => protocol,
        }
    }

    /// The destination port; 0 if there is none or it cannot be read.
    pub const fn port(self) -> u16 {
        match self {
            Self::Tcp(port) | Self::Udp(port) => port,
            Self::Other(_) | Self::Hidden(_) => 0,
        }
    }
}

/// Destination and transport of a packet or connection attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Destination.
    pub destination: Address,
    /// Transport.
    pub transport: Transport,
}
