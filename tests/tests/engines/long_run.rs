//! Pulls by every engine from every place, while devices come and go and the policy changes. `./x pulls` runs it long.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lab::{
    engines::ImageStore,
    fixtures::fixture::{EVIL, Fixture},
    servers::{
        image::{LAYER_BYTES, LAYERS},
        nginx::Request,
    },
};

use crate::{
    places::{Attempts, Containers, Engines, Place, engines},
    pull_churn::{Progress, change_devices, change_policy},
    scene::{FRAMES, STREAM, contoso, pulls_or},
    tally::Tally,
};

/// Pulls of each engine from each place without the variable.
const PULLS: u32 = 2;
/// Time for the web server to log what it has sent.
const LOGGED_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Prints what `./x pulls` shows.
#[expect(clippy::print_stderr, reason = "the runner shows it")]
fn report(text: &str) {
    eprintln!("{text}");
}

#[test]
fn every_pull_by_every_engine_from_every_place_succeeds_under_churn() -> Result<()> {
    let rounds = pulls_or(PULLS)?;
    let fixture = Fixture::start(STREAM, FRAMES)?;
    let containers = Containers::start(&fixture.lab)?;
    let mut all = Vec::new();
    let mut attempts = Vec::new();
    for place in Place::ALL {
        let env = containers.env(&fixture.lab, place)?;
        attempts.push(Attempts::start(&fixture, place, &env)?);
        all.push((place, engines(&fixture.lab, &containers, place, env)?));
    }
    let before = fixture.enforcer.api_status()?.counters;
    let mut tally = Tally::default();
    let progress = Progress::default();
    let began = Instant::now();
    let changed = thread::scope(|scope| {
        let devices = scope.spawn(|| progress.run(|| change_devices(&fixture, &progress)));
        let policy = scope.spawn(|| progress.run(|| change_policy(&fixture, &progress)));
        let pulled = progress.run(|| pull(rounds, &fixture, &all, &progress, &mut tally));
        let joined = (devices.join(), policy.join());
        let (Ok(devices), Ok(policy)) = joined else {
            anyhow::bail!("a thread of the churn panicked");
        };
        // The churn's error first: it also ends the pulls.
        let changed = (devices?, policy?);
        pulled?;
        Ok(changed)
    });
    report(&tally.table());
    let (devices, served) = changed.with_context(|| fixture.enforcer.log())?;
    report(&format!(
        "{:.0} s; devices: {devices}; a replica came, served and went {served} times",
        began.elapsed().as_secs_f64()
    ));
    tally.check(
        all.iter().map(|(_, engines)| engines.len()).sum(),
        rounds.into(),
    )?;
    check_attempts(&fixture, attempts, &before)
}

/// Pulls once by each engine from each place, `rounds` times.
fn pull(
    rounds: u32,
    fixture: &Fixture,
    all: &[(Place, Engines<'_>)],
    progress: &Progress,
    tally: &mut Tally,
) -> Result<()> {
    let image = contoso();
    for round in 1..=rounds {
        let began = Instant::now();
        for (place, engines) in all {
            for (name, engine) in engines {
                progress.begin_pull();
                let pull = pull_again(fixture, engine.as_ref(), &image);
                tally.add(name, place.word(), &pull);
            }
        }
        // Behind the last pull, as the replica waits for a next one.
        progress.begin_pull();
        let [pulled, failed] = tally.totals();
        report(&format!(
            "round {round} of {rounds}, {:.1} s: {pulled} pulled and {failed} failed so far",
            began.elapsed().as_secs_f64()
        ));
        ensure!(!progress.has_ended(), "the churn has ended");
    }
    Ok(())
}

/// Pulls an image and removes it. Fails unless data endpoints served every layer.
fn pull_again(fixture: &Fixture, engine: &dyn ImageStore, image: &str) -> Result<()> {
    let before = layers_served(fixture)?;
    engine.pull(image)?;
    let deadline = Instant::now() + LOGGED_WITHIN;
    loop {
        let served = layers_served(fixture)? - before;
        if served >= LAYERS {
            break;
        }
        ensure!(Instant::now() < deadline, "{served} layers were served");
        thread::sleep(POLL);
    }
    engine.remove(image)
}

/// The number of layers that data endpoints have served whole, without configurations of images.
fn layers_served(fixture: &Fixture) -> Result<usize> {
    let is_layer = |request: &&Request| {
        request.status == 200
            && request.host.starts_with("contoso.")
            && request.host.contains(".data.")
            && request.bytes >= LAYER_BYTES
    };
    Ok(fixture.lab.requests()?.iter().filter(is_layer).count())
}

/// Checks that no attempt at a foreign address has arrived, and that the device's hooks have denied some.
fn check_attempts(
    fixture: &Fixture,
    attempts: Vec<Attempts>,
    before: &enforcer::core::Counters,
) -> Result<()> {
    let mut made = 0;
    for each in attempts {
        made += each.end()?;
    }
    let arrived = fixture.counter.packets_to(&EVIL)?;
    report(&format!(
        "{made} connections and datagrams to a foreign registry and storage account, of which {arrived} packets arrived"
    ));
    ensure!(arrived == 0, "{arrived} packets to the bad actor");
    let denied = |counters: &enforcer::core::Counters| -> u64 {
        let counts = counters.counts.iter();
        let at_device = counts.filter(|each| each.hook == "device" && each.verdict == "deny");
        at_device.map(|each| each.count).sum()
    };
    let after = fixture.enforcer.api_status()?.counters;
    ensure!(denied(&after) > denied(before), "no denial at the device");
    Ok(())
}
