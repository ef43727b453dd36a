//! A key exchange group that makes the ClientHello as large as a post-quantum one, while any server can complete the handshake.

use rustls::{
    Error, NamedGroup,
    crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup, ring::kx_group::X25519},
    ffdhe_groups::FfdheGroup,
};

/// A code point for private use (RFC 8446, section 4.2.7): no server knows it, so each selects the X25519 share.
const GROUP: NamedGroup = NamedGroup::Unknown(0xfe30);
/// Size of a client's X25519MLKEM768 share in bytes (draft-ietf-tls-ecdhe-mlkem, section 4.1).
const SHARE: usize = 1216;

/// A group with a share of the size of X25519MLKEM768.
#[derive(Debug)]
pub(super) struct Large;

struct Started {
    share: Vec<u8>,
    x25519: Box<dyn ActiveKeyExchange>,
}

impl SupportedKxGroup for Large {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let x25519 = X25519.start()?;
        // Random-looking bytes, as in a real share.
        let share = x25519.pub_key().iter().cycle().take(SHARE).copied();
        Ok(Box::new(Started {
            share: share.collect(),
            x25519,
        }))
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        GROUP
    }
}

impl ActiveKeyExchange for Started {
    fn complete(self: Box<Self>, _peer: &[u8]) -> Result<SharedSecret, Error> {
        Err(Error::General(
            "a server selected the lab's group".to_owned(),
        ))
    }

    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.x25519.group(), self.x25519.pub_key()))
    }

    fn complete_hybrid_component(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        self.x25519.complete(peer)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        GROUP
    }
}
