//! Any bytes as a packet, under a policy that protects every address: only TCP to port 443 of an allowed address may pass.

#![no_main]

use enforcer_common::layout::Switches;
use enforcer_common::{
    Address, Bytes, Class, Exception, PolicyView, Transport, Verdict, decide_packet, read_ipv4,
    read_ipv6,
};
use libfuzzer_sys::fuzz_target;

struct Packet<'a>(&'a [u8]);

impl Bytes for Packet<'_> {
    fn fixed<const AT: usize, const N: usize>(&self) -> Option<[u8; N]> {
        self.0.get(AT..)?.first_chunk().copied()
    }

    fn at<const N: usize>(&self, offset: u32) -> Option<[u8; N]> {
        self.0
            .get(usize::try_from(offset).ok()?..)?
            .first_chunk()
            .copied()
    }
}

/// Protects every address as storage, and allows those with an even last byte by name.
struct AllProtected;

impl PolicyView for AllProtected {
    fn switches(&self) -> Switches {
        Switches::new(false, true, false)
    }

    fn class(&self, _: Address) -> Class {
        Class::Storage
    }

    fn is_allowed(&self, address: Address) -> bool {
        address.key()[15] % 2 == 0
    }

    fn exception(&self, _: Address) -> Option<Exception> {
        None
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((family, bytes)) = bytes.split_first() else {
        return;
    };
    let packet = Packet(bytes);
    let read = if family % 2 == 0 {
        read_ipv4(&packet)
    } else {
        read_ipv6(&packet)
    };
    let decision = decide_packet(read, &AllProtected);
    if decision.verdict() == Verdict::Allow {
        let flow = read.expect("a packet that cannot be read is denied");
        assert_eq!(flow.transport, Transport::Tcp(443));
        assert!(AllProtected.is_allowed(decision.destination));
    }
});
