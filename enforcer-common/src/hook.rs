//! The hooks that judge.

use crate::coded_enum::coded_enum;

coded_enum! {
    /// The program that judged. Codes index counters and are stored in events.
    pub enum Hook: u8 {
        /// `cgroup_skb/egress`: a packet.
        Egress = 0,
        /// `cgroup/connect4`.
        Connect4 = 1,
        /// `cgroup/connect6`.
        Connect6 = 2,
        /// `cgroup/sendmsg4`.
        Sendmsg4 = 3,
        /// `cgroup/sendmsg6`.
        Sendmsg6 = 4,
        /// `sched_cls` on the egress side of a network device: a frame.
        Device = 5,
        /// `cgroup/setsockopt`, or `socket_setsockopt` of the BPF LSM: a socket option.
        Setsockopt = 6,
    }
}

impl Hook {
    /// Number of hooks.
    pub const COUNT: u32 = Self::ALL.len() as u32;

    /// The hooks of a cgroup that are always attached.
    pub const CGROUP: [Self; 5] = [
        Self::Egress,
        Self::Connect4,
        Self::Connect6,
        Self::Sendmsg4,
        Self::Sendmsg6,
    ];

    /// The word in events and metrics; for the hooks of a cgroup also the name of the program and of its pins.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Connect4 => "connect4",
            Self::Connect6 => "connect6",
            Self::Sendmsg4 => "sendmsg4",
            Self::Sendmsg6 => "sendmsg6",
            Self::Device => "device",
            Self::Setsockopt => "setsockopt",
        }
    }
}
