//! Socket options with which packets pass the filters of network devices unseen, or change after them.

use crate::coded_enum::coded_enum;

/// Level of the options of packet sockets (`SOL_PACKET` of linux/socket.h).
const SOL_PACKET: i32 = 263;
/// Level of the options of `AF_XDP` sockets (`SOL_XDP`).
const SOL_XDP: i32 = 283;
/// Added to the number of an option of `SOL_XDP`.
const XDP: i32 = 0x100;

coded_enum! {
    /// Such an option. An event of the hook has its code in place of the port.
    pub enum BypassOption: u16 {
        /// The kernel or the card writes a checksum of two chosen bytes at a chosen place of the frame (linux/if_packet.h).
        PacketVnetHdr = 15,
        /// Frames go past all filters to the driver.
        PacketQdiscBypass = 20,
        /// As [`BypassOption::PacketVnetHdr`], with the length of its header. Linux 6.6.
        PacketVnetHdrSz = 24,
        /// The ring of frames to send, which go past all filters (linux/if_xdp.h).
        XdpTxRing = 0x103,
    }
}

impl BypassOption {
    /// The option that a call of `setsockopt` sets; `None` for all others.
    #[inline(always)]
    pub const fn of(level: i32, option: i32) -> Option<Self> {
        let code = match level {
            SOL_PACKET if 0 <= option && option < XDP => option,
            SOL_XDP if 0 <= option && option < XDP => option + XDP,
            _ => return None,
        };
        Self::from_code(code as u16)
    }

    /// The name in the kernel's headers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PacketVnetHdr => "PACKET_VNET_HDR",
            Self::PacketQdiscBypass => "PACKET_QDISC_BYPASS",
            Self::PacketVnetHdrSz => "PACKET_VNET_HDR_SZ",
            Self::XdpTxRing => "XDP_TX_RING",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_known_by_its_level_and_number() {
        for (level, option, expected) in [
            (263, 15, Some(BypassOption::PacketVnetHdr)),
            (263, 20, Some(BypassOption::PacketQdiscBypass)),
            (263, 24, Some(BypassOption::PacketVnetHdrSz)),
            (283, 3, Some(BypassOption::XdpTxRing)),
            // Others of the same levels, and the same numbers at other levels or beyond them.
            (263, 3, None),
            (263, 0x103, None),
            (283, 15, None),
            (283, 0x103, None),
            (1, 20, None),
            (263, -20, None),
            (283, i32::MIN, None),
            (283, i32::MAX, None),
        ] {
            assert_eq!(
                BypassOption::of(level, option),
                expected,
                "{level} {option}"
            );
        }
    }
}
