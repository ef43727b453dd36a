//! The daemon comes and goes, and changes its mind; the rule stays. Real traffic, judged on the wire.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use lab::{
    Lab,
    enforcer::{Enforcer, binary, configuration},
    process::{Finished, run},
    stream::{Plan, Stream, Totals},
    wire::Wire,
    world::STORAGE,
};

const STREAM: &str = env!("CARGO_BIN_EXE_egress-stream");
/// Rounds a second: about 200 connections to contoso, and 1,600 attempts at the bad actor.
const RATE: u32 = 200;
/// The bad actor's account and registry.
const PROTECTED: [&str; 4] = [STORAGE[0], STORAGE[1], "198.51.100.50/32", "2001:db8:acc::50/128"];

#[test]
fn a_killed_daemon_leaves_the_rule_in_force_and_the_next_one_takes_over() -> Result<()> {
    let mut scene = Scene::start("")?;
    let before = scene.enforcer.status()?;
    scene.enforcer.kill()?;

    scene.pull_works_and_evil_does_not()?;
    let report = scene.enforcer.json(["status"])?;
    assert_eq!(report["enforcing"], true, "{report}");
    assert!(report["daemon"].is_null(), "{report}");
    assert_eq!(report["pinned"]["mode"], "enforce", "{report}");
    assert_eq!(code(&scene.enforcer.ask(["explain", "203.0.113.66"])?), 1);
    assert_eq!(code(&scene.enforcer.ask(["explain", "198.51.100.10"])?), 0);

    scene.enforcer.run()?;
    let after = scene.enforcer.status()?;
    assert!(number(&after, "generation")? > number(&before, "generation")?, "{after}");
    scene.enforcer.await_names()?;
    scene.pull_works_and_evil_does_not()?;
    assert_eq!(scene.wire.packets_to(&PROTECTED)?, 0);
    Ok(())
}

#[test]
fn ten_restarts_under_a_stream_let_nothing_out_and_lose_nothing() -> Result<()> {
    let mut scene = Scene::start("")?;
    let stream = scene.stream()?;
    for restart in 0..10 {
        if restart % 2 == 0 {
            scene.enforcer.kill()?;
        } else {
            assert!(scene.enforcer.end(libc::SIGTERM)?.success());
        }
        scene.enforcer.run()?;
    }
    scene.flawless(&stream.end()?)
}

struct Scene {
    wire: Wire,
    enforcer: Enforcer,
    lab: Lab,
}

impl Scene {
    /// A lab with the daemon in force, contoso open in eastus, and `more` in its configuration.
    fn start(more: &str) -> Result<Self> {
        let lab = Lab::start()?;
        let enforcer = Enforcer::start(&lab, &["eastus"], more)?;
        enforcer.await_names()?;
        Ok(Self {
            wire: Wire::watch(lab.world())?,
            enforcer,
            lab,
        })
    }

    fn stream(&self) -> Result<Stream> {
        Stream::start(Path::new(STREAM), &self.lab.device(), &Plan::of_the_lab(RATE))
    }

    fn pull_works_and_evil_does_not(&self) -> Result<()> {
        self.lab.pull()?;
        let upload = self.lab.exfiltrate_curl(&self.lab.device())?;
        ensure!(!upload.ok, "{upload:?}");
        Ok(())
    }

    /// Everything that was to be refused was, everything else was answered, and the wire agrees.
    fn flawless(&self, totals: &Totals) -> Result<()> {
        assert!(totals.answered > 100 && totals.refused > 800, "{totals:?}");
        assert!(totals.failed.is_empty() && totals.passed.is_empty(), "{totals:?}\n{}", self.enforcer.log());
        assert_eq!(totals.retransmitted, 0, "{totals:?}");
        assert_eq!(self.wire.packets_to(&PROTECTED)?, 0);
        Ok(())
    }
}

fn code(finished: &Finished) -> i32 {
    finished.status.code().unwrap_or(-1)
}

fn number(status: &serde_json::Value, key: &str) -> Result<u64> {
    status[key].as_u64().with_context(|| format!("no {key} in {status}"))
}
