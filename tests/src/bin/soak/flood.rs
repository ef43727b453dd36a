//! Floods of packets to protected addresses: from sockets of the host, and in frames of the container, which the host forwards.

use std::{thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{clients::stream::Plan, topology::frame_sender::FrameSender};
use test_data::Random;

use crate::{
    finding::Finding,
    packets::{account, frame, syn},
    scene::Scene,
    topology::Place,
};

/// Protected addresses of a flood from sockets, and rounds per second.
const ADDRESSES: usize = 500;
const RATE: u32 = 4;
const DURATION: Duration = Duration::from_secs(1);
/// The fewest and the most frames of a flood.
const FEWEST: usize = 5000;
const MOST: usize = 20_000;

/// Sends both floods at the same time.
pub(crate) fn flood(scene: &Scene, random: &mut Random) -> Result<String> {
    let plan = Plan {
        allowed: Vec::new(),
        protected: (0..ADDRESSES).map(|_| account(random)).collect(),
        rate: RATE,
    };
    let frames = FEWEST + random.below(MOST - FEWEST);
    let stream = scene.fixture.stream_of(&scene.env(Place::Host), &plan)?;
    let taken = send(scene, random, frames)?;
    thread::sleep(DURATION);
    let totals = stream.end()?;
    if !totals.passed.is_empty() {
        return Err(Finding::leak(format!("in a flood: {:?}", totals.passed)));
    }
    ensure!(totals.refused > 100, "too few connections: {totals:?}");
    ensure!(
        taken == frames,
        "the container's device took {taken} of {frames} frames"
    );
    Ok(format!("{frames} frames, {} from sockets", totals.refused))
}

/// Sends SYNs of the container with random ports, and returns how many its device took.
fn send(scene: &Scene, random: &mut Random, frames: usize) -> Result<usize> {
    let sender = FrameSender::open(&scene.container, "eth0", 0)?;
    let mut taken = 0;
    for _ in 0..frames {
        let to = account(random);
        let port = 1024 + u16::try_from(random.below(60_000))?;
        let frame = frame(Place::Container, &syn(Place::Container, to, port)?, None);
        taken += usize::from(sender.send(&frame).context("send a frame")?);
    }
    Ok(taken)
}
