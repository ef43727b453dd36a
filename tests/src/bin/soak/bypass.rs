//! Attempts to bypass the enforcer. `tests/tests/bypass` has all that are known; these are quick ones.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use lab::{
    MALLORY_LOGIN,
    fixtures::process::run,
    topology::{frame_capture::FrameCapture, frame_sender::FrameSender},
};
use test_data::{
    Random,
    client_hello::client_hello,
    packet::protocol::{ESP, GRE, ICMP, SCTP},
};

use crate::{
    child,
    finding::Finding,
    packets::{account, datagram, frame, other, segment},
    scene::{Scene, beside},
    topology::Place,
};

/// In each frame that must not arrive.
const MARKER: &[u8] = b"soak: must not arrive";
/// In the last frame of a step, which has to.
const FENCE: &[u8] = b"soak: has to arrive";
/// An address of the far side that nothing protects.
const FREE: &str = "10.53.0.1";
const LOGIN: &str = "198.51.100.10";
const ARP: u16 = 0x0806;
const TAG: u16 = 7;
const ARRIVAL: Duration = Duration::from_secs(5);
/// More than a child takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Makes all attempts.
pub(crate) fn attempts(scene: &Scene, random: &mut Random) -> Result<String> {
    let far = FrameCapture::start(scene.fixture.lab.network().cloud(), "cloud0")?;
    let mut frames = 0;
    for place in Place::ALL {
        frames += send_frames(scene, place, random)?;
        say_another_name(scene, place)?;
    }
    let sockets = try_sockets(scene, random)?;
    send_fence(scene)?;
    ensure!(
        far.await_frame_with(0, FENCE, ARRIVAL),
        "the far side sees no frame that is allowed"
    );
    for marker in [MARKER, MALLORY_LOGIN.as_bytes()] {
        if far.await_frame_with(0, marker, Duration::ZERO) {
            let text = String::from_utf8_lossy(marker);
            return Err(Finding::leak(format!("a frame with {text:?} arrived")));
        }
    }
    Ok(format!(
        "{frames} frames, {sockets} by sockets, 2 other names"
    ))
}

/// Sends frames through packet sockets, and returns their number.
fn send_frames(scene: &Scene, place: Place, random: &mut Random) -> Result<usize> {
    let login: IpAddr = LOGIN.parse()?;
    let (to, hello) = (account(random), client_hello(MALLORY_LOGIN));
    let allowed = client_hello(lab::CONTOSO_LOGIN);
    let protocol = random.pick(&[ICMP, GRE, ESP, SCTP, 253]);
    let packets = [
        (datagram(place, to, MARKER)?, None, 0),
        (datagram(place, to, MARKER)?, None, ARP),
        (datagram(place, to, MARKER)?, Some(TAG), 0),
        (other(place, to, protocol, MARKER)?, None, 0),
        (segment(place, to, &[&allowed, MARKER].concat())?, None, 0),
        (segment(place, login, &hello)?, None, 0),
    ];
    let netns = match place {
        Place::Host => scene.host(),
        Place::Container => &scene.container,
    };
    for (packet, tag, declared) in &packets {
        let sender = FrameSender::open(netns, "eth0", *declared)?;
        sender
            .send(&frame(place, packet, *tag))
            .context("send a frame")?;
    }
    Ok(packets.len())
}

/// Names another server on a connection to an allowed address.
fn say_another_name(scene: &Scene, place: Place) -> Result<()> {
    let mut command = scene.env(place).command(beside("soak")?);
    command.args([child::SAY, MALLORY_LOGIN, &format!("{LOGIN}:443")]);
    let finished = run(command, LIMIT)?;
    match finished.code() {
        Some(0) => Ok(()),
        Some(code) if code == i32::from(child::ANSWERED) => Err(Finding::leak(format!(
            "{MALLORY_LOGIN} answers the {}",
            place.word()
        ))),
        _ => Err(finished.success().err().context("no error")?),
    }
}

/// Tries all kinds of sockets, IPv4-mapped addresses too, and returns the number of attempts.
fn try_sockets(scene: &Scene, random: &mut Random) -> Result<usize> {
    let addresses = [account(random), account(random), "203.0.113.66".parse()?];
    let attempts = scene
        .fixture
        .lab
        .attempt(&scene.env(Place::Host), &addresses, 1)?;
    ensure!(attempts.len() >= 12, "too few attempts: {attempts:?}");
    let is_refused = |errno: Option<i32>| errno == Some(libc::EPERM);
    match attempts.iter().find(|attempt| !is_refused(attempt.errno)) {
        Some(passed) => Err(Finding::leak(format!("not refused: {passed:?}"))),
        None => Ok(attempts.len()),
    }
}

fn send_fence(scene: &Scene) -> Result<()> {
    let sender = FrameSender::open(scene.host(), "eth0", 0)?;
    let packet = datagram(Place::Host, FREE.parse()?, FENCE)?;
    let is_taken = sender.send(&frame(Place::Host, &packet, None))?;
    ensure!(is_taken, "the device takes no frame that is allowed");
    Ok(())
}
