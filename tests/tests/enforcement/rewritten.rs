//! Programs of others that change the destination of `connect` (`cgroup/connect4`), as those for Services do.

use std::{
    fs::File,
    os::fd::AsRawFd as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use lab::{
    Lab,
    bpf::{Attach, AttachPoint, Program},
    fixtures::{enforcer::Enforcer, process::run, process_env::ProcessEnv},
    topology::{addresses::STORAGE, cgroup::Cgroup, packet_counter::PacketCounter},
};

use crate::REGIONS;

/// `ctx->user_ip4 = 203.0.113.66; return 1`.
const TO_STORAGE: [u64; 4] = [
    u64::from_be_bytes([0x42, 0x71, 0x00, 0xcb, 0, 0, 2, 0xb4]),
    0x0004_2163,
    0x1_0000_00b7,
    0x95,
];
const CONNECT: &str = "import socket; socket.create_connection(('192.0.2.80', 443), 2)";
const LIMIT: Duration = Duration::from_secs(20);

/// Connects to an unprotected address while a program at `place` changes it; returns whether a connection is established.
fn connects(env: &ProcessEnv, place: &Cgroup) -> Result<bool> {
    let program = Program::load_for(AttachPoint::Connect4, &TO_STORAGE)?;
    let directory = File::open(place.path())?;
    let target = u32::try_from(directory.as_raw_fd())?;
    let _link = program.attach(AttachPoint::Connect4, target, Attach::default())?;
    let mut python = env.command("python3");
    python.args(["-S", "-B", "-c", CONNECT]);
    Ok(run(python, LIMIT)?.status.success())
}

/// Returns the number of packets once the connections have closed: none came for a second.
fn final_count(counter: &PacketCounter) -> Result<u64> {
    let deadline = Instant::now() + LIMIT;
    let mut count = counter.packets_to(&STORAGE)?;
    loop {
        thread::sleep(Duration::from_secs(1));
        let now = counter.packets_to(&STORAGE)?;
        if now == count {
            return Ok(count);
        }
        ensure!(Instant::now() < deadline, "packets still come: {now}");
        count = now;
    }
}

#[test]
fn a_destination_that_another_program_changes_before_or_after_is_judged() -> Result<()> {
    let lab = Lab::start()?;
    let counter = PacketCounter::watch(lab.network())?;
    let inside = lab.device_cgroup().child("inside")?;
    let env = lab.device_in(&inside);
    // The kernel runs programs from the socket's cgroup up to the root, and those of one cgroup in the order of their attachment.
    // The daemon is outside both cgroups: its own connections stay as they are.
    let places = [&inside, lab.device_cgroup()];
    for place in places {
        ensure!(connects(&env, place)?, "{place:?}");
    }
    let open = final_count(&counter)?;
    ensure!(open > 0, "nothing is changed");
    let _enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    for place in places {
        ensure!(!connects(&env, place)?, "{place:?}");
    }
    assert_eq!(counter.packets_to(&STORAGE)?, open);
    Ok(())
}
