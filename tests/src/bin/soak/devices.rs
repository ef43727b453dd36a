//! Steps of network devices, in the lab's own network namespace.

use anyhow::{Result, ensure};
use enforcer::control::Status;
use lab::topology::netns::Netns;
use test_data::Random;

use crate::scene::{Scene, is_filtered};

const LOST: &str = "device-filter-lost";

/// What can happen to one end of a pair of devices.
const CHANGES: [(&str, Change); 5] = [
    ("renamed", rename),
    ("moved away and back", move_away),
    ("enslaved to a bridge", enslave),
    ("down and up", down_and_up),
    ("robbed of its filter", remove_filter),
];

type Change = fn(&Scene, &mut Pair) -> Result<()>;

/// A pair of devices of the host.
struct Pair {
    here: String,
    there: String,
}

/// Adds devices, changes them, and removes them.
pub(crate) fn churn(scene: &Scene, random: &mut Random) -> Result<String> {
    let mut pair = add(scene, random.below(1_000_000))?;
    let mut done = Vec::new();
    for _ in 0..=random.below(3) {
        let (what, change) = random.pick(&CHANGES);
        change(scene, &mut pair)?;
        await_filters(scene, &pair)?;
        done.push(what);
    }
    remove(scene, &pair)?;
    Ok(done.join(", "))
}

/// Adds a pair of devices, and removes it once it has filters.
pub(crate) fn add_and_remove(scene: &Scene, number: usize) -> Result<()> {
    remove(scene, &add(scene, number)?)
}

fn add(scene: &Scene, number: usize) -> Result<Pair> {
    let pair = Pair {
        here: format!("t{number}a"),
        there: format!("t{number}b"),
    };
    let Pair { here, there } = &pair;
    scene.host().ip(&format!(
        "link add {here} type veth peer name {there}\nlink set {here} up\nlink set {there} up\n"
    ))?;
    await_filters(scene, &pair)?;
    Ok(pair)
}

fn remove(scene: &Scene, pair: &Pair) -> Result<()> {
    scene.host().ip(&format!("link delete {}\n", pair.here))?;
    await_absence(scene, &pair.here)
}

fn await_filters(scene: &Scene, pair: &Pair) -> Result<()> {
    let are_filtered =
        |status: &Status| is_filtered(status, &pair.here) && is_filtered(status, &pair.there);
    scene.await_status("filters at a new pair", are_filtered)?;
    Ok(())
}

fn await_absence(scene: &Scene, name: &str) -> Result<()> {
    let is_absent = |status: &Status| status.devices.iter().all(|device| device.name != name);
    scene.await_status("a removed device", is_absent)?;
    Ok(())
}

fn rename(scene: &Scene, pair: &mut Pair) -> Result<()> {
    let old = pair.here.clone();
    pair.here.push('r');
    let new = &pair.here;
    // Older kernels rename no device that is up.
    scene.host().ip(&format!(
        "link set {old} down\nlink set {old} name {new}\nlink set {new} up\n"
    ))
}

fn move_away(scene: &Scene, pair: &mut Pair) -> Result<()> {
    let elsewhere = Netns::new()?;
    let name = &pair.there;
    let place = |netns: &Netns| format!("link set {name} netns {}\n", netns.path().display());
    scene.host().ip(&place(&elsewhere))?;
    await_absence(scene, name)?;
    elsewhere.ip(&place(scene.host()))?;
    scene.host().ip(&format!("link set {name} up\n"))
}

fn enslave(scene: &Scene, pair: &mut Pair) -> Result<()> {
    let name = &pair.there;
    scene.host().ip(&format!("link set {name} master br0\n"))?;
    await_filters(scene, pair)?;
    scene.host().ip(&format!("link set {name} nomaster\n"))
}

fn down_and_up(scene: &Scene, pair: &mut Pair) -> Result<()> {
    let name = &pair.there;
    scene
        .host()
        .ip(&format!("link set {name} down\nlink set {name} up\n"))
}

fn remove_filter(scene: &Scene, pair: &mut Pair) -> Result<()> {
    let mut tc = scene.host().env().command("tc");
    let output = tc
        .args(["filter", "del", "dev", &pair.there, "egress"])
        .output()?;
    ensure!(output.status.success(), "{tc:?}: {output:?}");
    let is_lost = |status: &Status| status.alarms.iter().any(|alarm| alarm.kind == LOST);
    scene.await_status("the alarm of a removed filter", is_lost)?;
    scene.fixture.enforcer.signal(libc::SIGHUP)?;
    scene.await_status("no alarm of a removed filter", |status| !is_lost(status))?;
    Ok(())
}
