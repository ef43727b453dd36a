//! An IPsec policy as the kernel lists it.

use std::fmt;

use ipnet::IpNet;

/// An IPsec policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpsecPolicy {
    /// The source addresses of its packets.
    pub source: IpNet,
    /// Their destination addresses.
    pub destination: IpNet,
    /// Their protocol (`IPPROTO_*`); 0 for any.
    pub transport: u8,
    /// Whether it applies to packets that leave.
    pub is_outgoing: bool,
    /// Whether these may leave.
    pub allows: bool,
    /// Whether they are encrypted, or otherwise transformed, first.
    pub transforms: bool,
    /// The id of the xfrm interface whose packets it applies to; 0 for none. Those are judged at that interface.
    pub interface: u32,
}

impl IpsecPolicy {
    /// Returns whether its packets leave without having been judged.
    pub(super) const fn hides(&self) -> bool {
        self.is_outgoing && self.allows && self.transforms && self.interface == 0
    }
}

impl fmt::Display for IpsecPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "src {} dst {}", self.source, self.destination)?;
        if self.transport != 0 {
            write!(formatter, " proto {}", self.transport)?;
        }
        Ok(())
    }
}
