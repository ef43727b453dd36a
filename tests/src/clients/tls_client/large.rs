//! A ClientHello of post-quantum size, with a handshake that any server can complete.

use rustls::{
    Error, NamedGroup,
    crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup, ring::kx_group::X25519},
    ffdhe_groups::FfdheGroup,
};

/// For private use (RFC 8446, section 4.2.7): no server knows it, so each takes the X25519 share beside it.
const GROUP: NamedGroup = NamedGroup::Unknown(0xfe30);
/// Bytes of a client's X25519MLKEM768 share (draft-ietf-tls-ecdhe-mlkem, section 4.1).
const SHARE: usize = 1216;

/// A group whose share is as long as that of X25519MLKEM768.
#[derive(Debug)]
pub(super) struct Large;

struct Started {
    share: Vec<u8>,
    x25519: Box<dyn ActiveKeyExchange>,
}

impl SupportedKxGroup for Large {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let x25519 = X25519.start()?;
        // Bytes that look random, as those of a real share do.
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
        Err(Error::General("a server chose the lab's group".to_owned()))
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
