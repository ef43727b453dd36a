//! Conversations with a storage account without a socket of the network stack: by packet sockets of the host and of a container that the host
//! forwards for.

use anyhow::Result;
use enforcer_common::Reason;

use crate::{
    bypasses,
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::Fixture,
    lane::{Lane, lane},
    links::{PacketLink, Station},
    mini_tcp::converse,
};

const DENIED: With = With::Denied(Reason::Storage);

/// A packet socket on the host, and one in the container.
struct Links {
    host: PacketLink,
    container: PacketLink,
}

impl Links {
    fn open(fixture: &Fixture) -> Result<Self> {
        Ok(Self {
            host: PacketLink::open(&fixture.host(), Station::of_host(0))?,
            container: PacketLink::open(&fixture.in_container(), Station::of_container(0))?,
        })
    }
}

fn converse_over(link: &mut PacketLink, attempt: &Attempt) -> Result<SendResult> {
    let ends = link.ends(attempt);
    converse(link, ends, &attempt.marker)
}

/// Returns the techniques.
pub(crate) fn techniques(fixture: &Fixture) -> Result<Box<dyn Lane>> {
    let links = Links::open(fixture)?;
    let to = (Target::Storage, true);
    let techniques = vec![
        Technique::new(
            "TCP by a packet socket of the host",
            to,
            DENIED,
            |_, links: &mut Links, attempt| converse_over(&mut links.host, attempt),
        ),
        Technique::new(
            "TCP by a packet socket of a container",
            to,
            DENIED,
            |_, links: &mut Links, attempt| converse_over(&mut links.container, attempt),
        ),
    ];
    Ok(lane(&bypasses::CONVERSATIONS, links, techniques))
}
