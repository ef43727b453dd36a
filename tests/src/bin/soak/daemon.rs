//! Steps of the daemon: it ends and starts, changes its version, and reads new input.

use std::{process::Stdio, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use enforcer::control::Status;
use lab::{fixtures::process::Running, topology::addresses::INTERNET};
use test_data::Random;

use crate::{finding::Finding, scene::Scene, topology::Place};

/// Contoso's data endpoint in westus, and its region.
const WESTUS: &str = "198.51.100.200";
const REGION: &str = "westus";
const REFUSED: &str = "config-refused";
/// Milliseconds without a daemon, of a reload or of new service tags, and of a start, at most.
const LONGEST_GAP: usize = 700;
const LONGEST_CHANGE: usize = 100;
const LONGEST_START: usize = 500;

/// What the daemon is doing when it is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Idle,
    Reload,
    ServiceTags,
    Start,
}

/// Kills the daemon at some moment, and starts it some time later.
pub(crate) fn kill(scene: &mut Scene, random: &mut Random) -> Result<String> {
    let moments = [
        Moment::Idle,
        Moment::Reload,
        Moment::ServiceTags,
        Moment::Start,
    ];
    let moment = random.pick(&moments);
    match moment {
        Moment::Idle | Moment::Start => {}
        Moment::Reload => scene.reload(&scene.configuration())?,
        Moment::ServiceTags => scene.replace_tags(scene.protects_internet)?,
    }
    if matches!(moment, Moment::Reload | Moment::ServiceTags) {
        pause(random, LONGEST_CHANGE);
    }
    let gap = end(scene, random, libc::SIGKILL)?;
    if matches!(moment, Moment::Start) {
        half_start(scene, random)?;
    }
    scene.start_daemon()?;
    let text = format!("{moment:?}, {} again after {gap} ms", scene.version());
    Ok(text)
}

/// Stops the daemon, and starts it some time later.
pub(crate) fn stop(scene: &mut Scene, random: &mut Random) -> Result<String> {
    let gap = end(scene, random, libc::SIGTERM)?;
    scene.start_daemon()?;
    Ok(format!("{} again after {gap} ms", scene.version()))
}

/// Changes to the version that is not in force, sometimes after a first try that is killed.
pub(crate) fn change_version(scene: &mut Scene, random: &mut Random) -> Result<String> {
    let signal = random.pick(&[libc::SIGTERM, libc::SIGKILL]);
    end(scene, random, signal)?;
    let from = scene.version().to_string();
    scene.is_other = !scene.is_other;
    let mut tries = String::new();
    if random.one_in(2) {
        let after = half_start(scene, random)?;
        tries = format!(", a first try killed after {after} ms");
    }
    scene.start_daemon()?;
    Ok(format!(
        "{from} to {} after signal {signal}{tries}",
        scene.version()
    ))
}

fn end(scene: &mut Scene, random: &mut Random, signal: libc::c_int) -> Result<usize> {
    let status = scene.fixture.enforcer.end(signal)?;
    ensure!(signal == libc::SIGKILL || status.success(), "{status}");
    Ok(pause(random, LONGEST_GAP))
}

/// Starts the daemon of the version in force, and kills it some milliseconds later, which it returns.
fn half_start(scene: &Scene, random: &mut Random) -> Result<usize> {
    let enforcer = &scene.fixture.enforcer;
    let mut command = enforcer.command_of(&scene.version().binary, ["run"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let started = Running::start("enforcer", command)?;
    let after = pause(random, LONGEST_START);
    drop(started);
    Ok(after)
}

/// Waits for less than `longest` milliseconds, and returns for how many.
fn pause(random: &mut Random, longest: usize) -> usize {
    let milliseconds = random.below(longest);
    thread::sleep(Duration::from_millis(milliseconds as u64));
    milliseconds
}

/// Adds a region to the configuration, or removes it again, and tries its data endpoint.
pub(crate) fn change_region(scene: &mut Scene) -> Result<String> {
    toggle_region(scene)?;
    if !scene.has_westus {
        // Its address stays allowed for as long as the configuration says.
        return Ok(format!("without {REGION}"));
    }
    let totals = scene.probe(Place::Host, WESTUS)?;
    if totals.answered == 0 || !totals.failed.is_empty() {
        return Err(Finding::loss(format!("of an allowed region: {totals:?}")));
    }
    Ok(format!("with {REGION}"))
}

/// Adds a region to the configuration, or removes it again.
pub(crate) fn toggle_region(scene: &mut Scene) -> Result<()> {
    scene.has_westus = !scene.has_westus;
    let wanted = scene.has_westus;
    scene.reload(&scene.configuration())?;
    let has_it = |status: &Status| {
        let names = status.registries.iter().flat_map(|each| &each.names);
        let mut found = names.filter(|name| name.origin.contains(REGION));
        found.next().is_some_and(|name| !name.addresses.is_empty()) == wanted
    };
    scene.await_status("the regions of the configuration", has_it)?;
    Ok(())
}

/// Has the daemon read a configuration that it refuses.
pub(crate) fn refuse(scene: &mut Scene, random: &mut Random) -> Result<String> {
    let text = scene.configuration();
    let scattered: Vec<String> = (0..5000_u32)
        .map(|number| format!("\"45.{}.{}.0/25\"", number / 256, number % 256))
        .collect();
    let set = format!("[protect]\ncidrs = [{}]\n", scattered.join(","));
    let (what, old, new) = random.pick(&[
        ("invalid TOML", "[protect]\n", "[protect\n"),
        ("an unknown key", "linger =", "lingers ="),
        ("another scope", "device\"\n", "\"\n"),
        ("another cloud's registry", "azurecr.io", "azurecr.us"),
        ("a set that does not fit", "[protect]\n", set.as_str()),
    ]);
    ensure!(text.contains(old), "no {old:?} in the configuration");
    let before = scene.fixture.enforcer.api_status()?;
    scene.reload(&text.replacen(old, new, 1))?;
    let after = scene.await_status("a refused configuration", is_refused)?;
    let of = |status: &Status| (status.tags.change_number, status.generation);
    ensure!(of(&before) == of(&after), "{what} changed the policy");
    scene.reload(&text)?;
    scene.await_status("an accepted configuration", |status| !is_refused(status))?;
    Ok(what.to_owned())
}

fn is_refused(status: &Status) -> bool {
    status.alarms.iter().any(|alarm| alarm.kind == REFUSED)
}

/// Replaces the service tags: the new ones protect an unrelated web server, or do so no longer.
pub(crate) fn change_tags(scene: &mut Scene) -> Result<String> {
    let protects = !scene.protects_internet;
    scene.publish(protects)?;
    for prefix in INTERNET {
        let (address, _) = prefix.split_once('/').context("a prefix")?;
        for place in Place::ALL {
            let totals = scene.probe(place, address)?;
            let text = format!("{address} from the {}: {totals:?}", place.word());
            match (protects, totals.answered > 0, totals.failed.is_empty()) {
                (true, false, false) | (false, true, true) => {}
                (true, _, _) => return Err(Finding::leak(text)),
                (false, _, _) => return Err(Finding::loss(text)),
            }
        }
    }
    let words = if protects { "with" } else { "without" };
    Ok(format!("{words} the web server"))
}
