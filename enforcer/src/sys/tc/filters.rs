//! Filters of a device.

use super::{TC_HEADER, TCA_KIND, TCA_OPTIONS, list_of, listed, tc_header};
use crate::sys::KernelError;
use crate::sys::netlink::{Attributes, collect, field};

/// `RTM_NEWTFILTER` (linux/rtnetlink.h).
const NEWTFILTER: u16 = 44;
/// `TCA_CHAIN` (linux/rtnetlink.h).
const TCA_CHAIN: u16 = 11;
/// Attributes of linux/pkt_cls.h.
const BPF_NAME: u16 = 7;
const BPF_FLAGS: u16 = 8;
const BPF_ID: u16 = 11;
/// `TCA_BPF_FLAG_ACT_DIRECT`.
const ACT_DIRECT: u32 = 1;

/// A place of clsact at which filters run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TcHook {
    /// Packets that the device sends.
    Egress,
    /// Packets that the device received.
    Ingress,
}

/// A filter. Two filters of one place differ in priority or handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Filters run by priority, lowest first.
    pub priority: u16,
    /// The handle within the priority.
    pub handle: u32,
    /// The protocol that it applies to (`ETH_P_*`); 3 for all.
    pub protocol: u16,
    /// The kind of classifier ("bpf", "flower", "u32").
    pub kind: String,
    /// The program of a "bpf" filter.
    pub bpf: Option<BpfFilter>,
}

/// The program of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpfFilter {
    /// The name of the filter.
    pub name: String,
    /// The id of the program; `None` for a classic BPF program.
    pub program: Option<u32>,
    /// Whether the program's return code is the verdict on the packet.
    pub is_direct_action: bool,
}

impl TcHook {
    /// Both, in the order in which filters are attached.
    pub const ALL: [Self; 2] = [Self::Egress, Self::Ingress];

    /// Returns its name, as tc(8) spells it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        }
    }

    /// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)` or `..._INGRESS` (linux/pkt_sched.h).
    const fn parent(self) -> u32 {
        match self {
            Self::Egress => 0xffff_fff3,
            Self::Ingress => 0xffff_fff2,
        }
    }
}

/// Lists the filters of the device with this index at `hook` in the order in which the kernel runs them; none if the device is gone or has no clsact.
///
/// # Errors
/// If the kernel does not list them.
pub fn filters(index: u32, hook: TcHook) -> Result<Vec<Filter>, KernelError> {
    let request = tc_header(index, hook.parent());
    let found = collect(&list_of(NEWTFILTER, &request), Filter::read);
    listed(found).map_err(KernelError::failed(format!(
        "list the {} filters of the network device with index {index}",
        hook.word()
    )))
}

impl Filter {
    /// Reads a `struct tcmsg` and its attributes; `None` for a chain that other filters must jump to, and for the head of a list of filters.
    fn read(message: &[u8]) -> Option<Self> {
        let handle = u32::from_ne_bytes(field(message, 8)?);
        let info = u32::from_ne_bytes(field(message, 16)?);
        let attributes = Attributes::after(message, TC_HEADER);
        let is_first_chain = attributes.number(TCA_CHAIN).unwrap_or(0) == 0;
        let kind = attributes.text(TCA_KIND)?;
        let filter = Self {
            priority: (info >> 16) as u16,
            handle,
            protocol: u16::from_be(info as u16),
            bpf: (kind == "bpf").then(|| BpfFilter::read(attributes.nested(TCA_OPTIONS))),
            kind,
        };
        (handle != 0 && is_first_chain).then_some(filter)
    }
}

impl BpfFilter {
    fn read(options: Attributes<'_>) -> Self {
        Self {
            name: options.text(BPF_NAME).unwrap_or_default(),
            program: options.number(BPF_ID),
            is_direct_action: options.number(BPF_FLAGS).unwrap_or(0) & ACT_DIRECT != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
        let mut attribute = (4 + content.len() as u16).to_ne_bytes().to_vec();
        attribute.extend(kind.to_ne_bytes());
        attribute.extend(content);
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        attribute
    }

    fn message(handle: u32, chain: u32, kind: &str, options: &[u8]) -> Vec<u8> {
        let mut message = tc_header(7, TcHook::Egress.parent()).to_vec();
        message[8..12].copy_from_slice(&handle.to_ne_bytes());
        let info = 1 << 16 | u32::from(3_u16.to_be());
        message[16..20].copy_from_slice(&info.to_ne_bytes());
        message.extend(attribute(TCA_KIND, format!("{kind}\0").as_bytes()));
        message.extend(attribute(TCA_CHAIN, &chain.to_ne_bytes()));
        message.extend(attribute(TCA_OPTIONS, options));
        message
    }

    #[test]
    fn a_bpf_filter_is_read() {
        let options = [
            attribute(BPF_NAME, b"device_egress\0"),
            attribute(BPF_FLAGS, &1_u32.to_ne_bytes()),
            attribute(BPF_ID, &42_u32.to_ne_bytes()),
        ];
        let filter = Filter {
            priority: 1,
            handle: 5,
            protocol: 3,
            kind: "bpf".to_owned(),
            bpf: Some(BpfFilter {
                name: "device_egress".to_owned(),
                program: Some(42),
                is_direct_action: true,
            }),
        };
        let read = Filter::read(&message(5, 0, "bpf", &options.concat()));
        assert_eq!(read, Some(filter));
    }

    #[test]
    fn filters_of_other_kinds_are_read_and_other_chains_are_not() {
        let read = Filter::read(&message(1, 0, "matchall", &[]));
        let read = read.map(|filter| (filter.kind, filter.bpf));
        assert_eq!(read, Some(("matchall".to_owned(), None)));
        assert_eq!(Filter::read(&message(0, 0, "bpf", &[])), None);
        assert_eq!(Filter::read(&message(1, 2, "bpf", &[])), None);
        assert_eq!(Filter::read(&[0; TC_HEADER]), None);
    }

    #[test]
    fn a_device_that_is_gone_has_no_filters() {
        assert_eq!(filters(i32::MAX as u32, TcHook::Egress).unwrap(), []);
    }
}
