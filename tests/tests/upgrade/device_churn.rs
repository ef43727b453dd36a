//! Versions change and daemons are killed while devices come and go.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use lab::{
    clients::stream::{Plan, Totals},
    fixtures::{fixture::Fixture, run_length::number},
    topology::{
        bridged_container::connect,
        device_churn::{DeviceChurn, Unobserved},
        netns::Netns,
    },
};
use test_data::Random;

use crate::{
    STREAM,
    frames::{FRAMES, knows_filters},
    numbers, report,
    version::{Version, both},
};

/// The variable with the number of changes of version after `SIGTERM`, and of starts of the same version after `SIGKILL`, and the number without it.
const CHANGES: (&str, u32) = ("EGRESS_LAB_CHANGES", 4);
/// Rounds per second of the container's stream.
const FORWARDED_RATE: u32 = 20;

#[test]
fn upgrades_and_kills_while_devices_come_and_go_leak_and_lose_no_packet() -> Result<()> {
    let versions = both()?;
    let frames = match knows_filters(&versions[1])? {
        true => FRAMES,
        false => "",
    };
    let mut fixture = Fixture::start(STREAM, frames)?;
    let container = Netns::new()?;
    connect(fixture.lab.network(), &container)?;
    let host = fixture.lab.network().device().clone();
    let cgroup = fixture.lab.device_cgroup().child("container")?;
    let inside = container.env().in_cgroup(&cgroup);
    let forwarded = fixture.stream_of(&inside, &Plan::lab_default(FORWARDED_RATE))?;
    let stream = fixture.stream()?;
    let count = number(CHANGES.0, CHANGES.1)?;
    let began = Instant::now();
    let ended = AtomicBool::new(false);
    let (devices, took) = thread::scope(|scope| {
        let devices = scope.spawn(|| -> Result<String> {
            let churn = DeviceChurn::new(&host, "br0", "eth0", &Unobserved)?;
            let done = churn.until(&ended, &mut Random::new(1))?;
            Ok(format!(
                "{done:?}, not on this kernel: {:?}",
                churn.missing()
            ))
        });
        let changed = change_versions(&versions, &mut fixture, count);
        let took = began.elapsed().as_secs_f64();
        let is_early = devices.is_finished();
        ended.store(true, Ordering::Relaxed);
        let Ok(devices) = devices.join() else {
            bail!("the thread of the devices panicked");
        };
        changed?;
        let devices = devices.context("change devices")?;
        ensure!(!is_early, "devices were not changed to the end");
        Ok((devices, took))
    })?;
    let totals = stream.end()?;
    report(&format!(
        "{count} upgrades or downgrades between {} and {} and {count} kills while devices came and went, in {took:.1} s: {}, {:.0} connections a second; devices: {devices}",
        versions[0],
        versions[1],
        numbers(&totals),
        connections(&totals) as f64 / took,
    ));
    let forwarded = forwarded.end()?;
    report(&format!(
        "from a container behind a bridge meanwhile: {}",
        numbers(&forwarded)
    ));
    fixture.check(&totals)?;
    fixture.check(&forwarded)
}

/// Changes the version, and kills and starts the one in force, in turn and `count` times each.
fn change_versions(versions: &[Version; 2], fixture: &mut Fixture, count: u32) -> Result<()> {
    for start in 0..2 * count {
        let is_upgrade = start % 2 == 0;
        // Of every four starts, the first changes to the other version, and the third changes back.
        let version = &versions[usize::from(start % 4 < 2)];
        if is_upgrade {
            ensure!(fixture.enforcer.end(libc::SIGTERM)?.success());
        } else {
            fixture.enforcer.kill()?;
        }
        version.take_over(fixture)?;
    }
    Ok(())
}

/// The number of connections that a stream tried: half of what was refused are datagrams.
fn connections(totals: &Totals) -> u64 {
    let lost: u64 = totals.failed.values().sum();
    let passed: u64 = totals.passed.values().sum();
    totals.answered + lost + (totals.refused + passed) / 2
}
