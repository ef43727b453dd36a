//! `explain` names the places that judge, and answers for packets without a socket as well.

use anyhow::{Context, Result};
use lab::{
    clients::stream::Plan,
    fixtures::fixture::{EVIL as LEAKS, Fixture},
};
use serde_json::Value;

use crate::scene::{await_state, prepare, start};

/// An address of the bad actor's account.
const EVIL: &str = "203.0.113.66";

fn explain(fixture: &Fixture, more: &[&str]) -> Result<Value> {
    fixture
        .enforcer
        .json(["explain", EVIL].iter().chain(more).copied())
}

fn text(fixture: &Fixture) -> Result<String> {
    Ok(fixture.enforcer.cli(["explain", EVIL])?.stdout)
}

#[test]
fn sockets_alone_judge_without_filters() -> Result<()> {
    let fixture = start("mode = \"off\"")?;
    let answer = explain(&fixture, &[])?;
    assert_eq!(answer["devices"], Value::Array(Vec::new()), "{answer}");
    assert_eq!(answer["answers"][0]["without-socket"], Value::Null);
    assert_eq!(answer["answers"][0]["verdict"], "deny", "{answer}");
    let text = text(&fixture)?;
    assert!(text.contains("no network device has a filter"), "{text}");
    Ok(())
}

#[test]
fn packets_without_a_socket_have_the_exceptions_of_all_units() -> Result<()> {
    let mut fixture = prepare("mode = \"on\"\ninterfaces = [\"eth0\"]")?;
    let child = fixture.lab.device_cgroup().child("agent")?;
    let exception = format!(
        "[[exception]]\nreason = \"logs\"\ncgroup = {:?}\ncidrs = [\"203.0.113.64/28\"]\nuntil = 2099-01-31T00:00:00Z\n[paths]",
        child.path()
    );
    fixture.enforcer.edit("[paths]", &exception)?;
    fixture.enforcer.run()?;
    await_state(&fixture, "eth0", Some("filtered"))?;
    let check = |fixture: &Fixture| {
        let answer = explain(fixture, &[])?;
        let devices = answer["devices"].as_array().context("no devices")?;
        assert_eq!(devices.len(), 1, "{answer}");
        assert_eq!(
            (&devices[0]["name"], &devices[0]["state"]),
            (&"eth0".into(), &"filtered".into())
        );
        assert_eq!(answer["answers"][0]["reason"], "storage", "{answer}");
        let without_socket = &answer["answers"][0]["without-socket"];
        assert_eq!(without_socket["verdict"], "allow", "{answer}");
        assert_eq!(without_socket["reason"], "exception-prefix", "{answer}");
        let text = text(fixture)?;
        assert!(text.contains("network devices: eth0 (filtered)"), "{text}");
        assert!(text.contains("packet socket): allowed"), "{text}");
        anyhow::Ok(())
    };
    check(&fixture)?;

    // A cgroup outside of the scope has no socket hook, but its packets leave by the device.
    let outside = fixture.lab.cgroup().child("outside")?;
    let path = outside.path().display().to_string();
    let answer = explain(&fixture, &["--cgroup", &path])?;
    assert_eq!(answer["answers"][0]["reason"], "storage", "{answer}");
    assert_eq!(answer["passes"], false, "{answer}");
    let plan = Plan {
        allowed: Vec::new(),
        protected: vec![EVIL.parse()?],
        rate: 100,
    };
    let totals = fixture.one_second(&fixture.lab.device_in(&outside), &plan)?;
    assert!(
        totals.refused == 0 && !totals.passed.is_empty(),
        "{totals:?}"
    );
    assert_eq!(fixture.counter.packets_to(&LEAKS)?, 0);

    fixture.enforcer.end(libc::SIGTERM)?;
    check(&fixture)
}
