//! Steps of network devices, in the lab's own network namespace.

use anyhow::{Result, ensure};
use enforcer::control::Status;
use lab::topology::device_churn::{DeviceChurn, Observer, Pair};
use test_data::Random;

use crate::scene::{Scene, is_filtered};

const LOST: &str = "device-filter-lost";
/// One change in so many removes a filter.
const REMOVALS: usize = 6;

impl Observer for Scene {
    fn await_filters(&self, devices: &[&str]) -> Result<()> {
        let are_filtered =
            |status: &Status| devices.iter().all(|device| is_filtered(status, device));
        self.await_status("filters at changed devices", are_filtered)?;
        Ok(())
    }

    fn await_absence(&self, device: &str) -> Result<()> {
        let is_absent = |status: &Status| status.devices.iter().all(|each| each.name != device);
        self.await_status("a removed device", is_absent)?;
        Ok(())
    }
}

fn device_churn(scene: &Scene) -> Result<DeviceChurn<'_>> {
    DeviceChurn::new(scene.host(), "br0", "eth0", scene)
}

/// Adds devices, changes them, and removes them.
pub(crate) fn churn(scene: &Scene, random: &mut Random) -> Result<String> {
    let devices = device_churn(scene)?;
    let mut pair = devices.add(random.below(1_000_000))?;
    let mut done = Vec::new();
    for _ in 0..=random.below(3) {
        let is_removal = random.one_in(REMOVALS);
        done.push(match is_removal {
            true => remove_filter(scene, &pair)?,
            false => devices.change(&mut pair, random)?,
        });
    }
    devices.remove(&pair)?;
    Ok(done.join(", "))
}

/// Adds a pair of devices, and removes it once it has filters.
pub(crate) fn add_and_remove(scene: &Scene, number: usize) -> Result<()> {
    let devices = device_churn(scene)?;
    devices.remove(&devices.add(number)?)
}

fn remove_filter(scene: &Scene, pair: &Pair) -> Result<&'static str> {
    let mut tc = scene.host().env().command("tc");
    let output = tc
        .args(["filter", "del", "dev", &pair.there, "egress"])
        .output()?;
    ensure!(output.status.success(), "{tc:?}: {output:?}");
    let is_lost = |status: &Status| status.alarms.iter().any(|alarm| alarm.kind == LOST);
    scene.await_status("the alarm of a removed filter", is_lost)?;
    scene.fixture.enforcer.signal(libc::SIGHUP)?;
    scene.await_status("no alarm of a removed filter", |status| !is_lost(status))?;
    scene.await_filters(&[&pair.here, &pair.there])?;
    Ok("robbed of its filter")
}
