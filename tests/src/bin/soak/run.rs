//! A run: steps until the time is over, with a check behind each, and comparisons of what is used.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use test_data::Random;

use crate::{
    bypass, daemon, devices, endure, flood,
    options::Options,
    plan::{Kind, Plan},
    report::Report,
    scene::Scene,
    traffic::{Allowance, Traffic},
    usage::{self, Usage},
};

/// Steps between two comparisons.
const EVERY: usize = 25;
/// The shortest step, so that connections are opened during each.
const SHORTEST: Duration = Duration::from_millis(800);

/// Runs for as long as `options` say; the first finding or failure ends it.
pub(crate) fn run(options: &Options, report: &mut Report) -> Result<()> {
    let mut scene = Scene::start()?;
    let mut traffic = Traffic::start(&scene)?;
    report.begin();
    let done = take_steps(options, &mut scene, &mut traffic, report);
    if done.is_err() {
        report.log(&scene.fixture.enforcer.log());
    }
    done
}

fn take_steps(
    options: &Options,
    scene: &mut Scene,
    traffic: &mut Traffic,
    report: &mut Report,
) -> Result<()> {
    let mut plan = Plan::new(options.seed);
    let warm_up = plan.warm_up();
    let begin = Instant::now();
    let mut base = None;
    for number in 1.. {
        let (kind, mut random) = plan.next_step();
        let what = step(kind, scene, traffic, &mut random, report);
        let what = what.with_context(|| format!("step {number}, {}", kind.word()))?;
        report.step(kind, &what);
        let is_over = begin.elapsed() >= options.duration;
        let is_warm = number >= warm_up;
        if is_warm && ((number - warm_up).is_multiple_of(EVERY) || is_over) {
            let usage = compare(scene, traffic, base.as_ref(), report);
            let usage = usage.with_context(|| format!("behind step {number}"))?;
            report.usage(&usage);
            base.get_or_insert(usage);
        }
        if is_warm && is_over {
            break;
        }
    }
    Ok(())
}

/// Takes a step, and checks what passed meanwhile.
fn step(
    kind: Kind,
    scene: &mut Scene,
    traffic: &mut Traffic,
    random: &mut Random,
    report: &mut Report,
) -> Result<String> {
    let begin = Instant::now();
    let what = match kind {
        Kind::Kill => daemon::kill(scene, random),
        Kind::Stop => daemon::stop(scene, random),
        Kind::Version => daemon::change_version(scene, random),
        Kind::Region => daemon::change_region(scene),
        Kind::Invalid => daemon::refuse(scene, random),
        Kind::Tags => daemon::change_tags(scene),
        Kind::Devices => devices::churn(scene, random),
        Kind::Flood => flood::flood(scene, random),
        Kind::Bypass => bypass::attempts(scene, random),
        Kind::Endure => endure::endure(scene),
    };
    let what = what?;
    thread::sleep(SHORTEST.saturating_sub(begin.elapsed()));
    traffic.check(scene, allowance(kind), &mut report.sums)?;
    Ok(what)
}

fn allowance(kind: Kind) -> Allowance {
    match kind {
        Kind::Flood => Allowance::Retransmissions,
        Kind::Kill
        | Kind::Stop
        | Kind::Version
        | Kind::Region
        | Kind::Invalid
        | Kind::Tags
        | Kind::Devices
        | Kind::Bypass
        | Kind::Endure => Allowance::Nothing,
    }
}

/// Compares what is used without traffic, always with the same version, regions and service tags, with `base`.
fn compare(
    scene: &mut Scene,
    traffic: &mut Traffic,
    base: Option<&Usage>,
    report: &mut Report,
) -> Result<Usage> {
    if scene.is_other {
        step(Kind::Version, scene, traffic, &mut Random::new(0), report)?;
    }
    if !scene.has_westus {
        daemon::change_region(scene)?;
    }
    if scene.protects_internet {
        daemon::change_tags(scene)?;
    }
    let alarms = scene.fixture.enforcer.api_status()?.alarms;
    ensure!(alarms.is_empty(), "alarms: {alarms:?}");
    traffic.pause(scene, &mut report.sums)?;
    let usage = usage::at_rest(scene, base)?;
    traffic.resume(scene)?;
    Ok(usage)
}
