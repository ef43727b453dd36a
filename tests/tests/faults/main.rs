//! Faults in the daemon's environment change no verdict and raise alarms.

mod clock;
mod floods;
mod state_file;

use std::net::IpAddr;

use anyhow::Result;
use lab::{CONTOSO_LOGIN, fixtures::fixture::Fixture, topology::addresses::RESOLVER_V4};
use serde_json::Value;

const STREAM: &str = env!("CARGO_BIN_EXE_egress-stream");
/// Contoso's data endpoint in westus.
const WESTUS: &str = "198.51.100.200";

#[test]
fn a_protected_set_that_does_not_fit_is_rejected_and_names_are_still_followed() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    let stream = fixture.stream()?;
    let scattered: Vec<String> = (0..5000_u32)
        .map(|number| format!("\"45.{}.{}.0/25\"", number / 256, number % 256))
        .collect();
    let fits = fixture.configuration(&["eastus", "westus"], "");
    let too_much = fits.replace(
        "[protect]\n",
        &format!("[protect]\ncidrs = [{}]\n", scattered.join(",")),
    );
    let before = fixture.enforcer.status()?;
    let after = fixture.reload(&too_much, has_alarm("config-refused"))?;
    for same in ["tags", "generation"] {
        assert_eq!(before[same], after[same], "{after}");
    }
    assert!(!fixture.reaches(WESTUS)?);
    assert_eq!(
        fixture.enforcer.cli(["explain", "45.0.0.1"])?.code(),
        Some(0)
    );

    let next: IpAddr = "198.51.100.11".parse()?;
    fixture.lab.dns().set_addresses(CONTOSO_LOGIN, &[next], 1)?;
    fixture
        .enforcer
        .await_status("the new address is allowed", |status| {
            status["registries"][0]["names"]
                .to_string()
                .contains("198.51.100.11")
        })?;
    assert!(fixture.reaches("198.51.100.11")?);
    fixture.check(&stream.end()?)?;

    fixture.enforcer.end(libc::SIGTERM)?;
    let start = fixture.enforcer.cli(["run"])?;
    assert!(start.refusal()?.contains("fit"), "{start:?}");
    fixture.check_for_a_second()
}

#[test]
fn a_changed_system_resolver_is_used_and_exempt_unless_it_is_protected() -> Result<()> {
    let mut fixture = Fixture::prepare(STREAM, "")?;
    let config = fixture.configuration(&["eastus"], "");
    let web = config.replace("[protect]\n", "[protect]\ncidrs = [\"192.0.2.0/24\"]\n");
    fixture.enforcer.configure(&web)?;
    // The minimum TTL, so that names are resolved again soon.
    fixture.lab.dns().set_addresses(
        CONTOSO_LOGIN,
        &["198.51.100.10".parse()?, "2001:db8:acc::10".parse()?],
        1,
    )?;
    fixture.enforcer.run()?;
    fixture.enforcer.await_names()?;
    assert!(!fixture.reaches("192.0.2.80")?);

    fixture.set_resolver("192.0.2.80")?;
    fixture
        .enforcer
        .await_status("the new resolver", asks("192.0.2.80:53"))?;
    fixture.enforcer.await_names()?;
    assert!(fixture.reaches("192.0.2.80")?);
    assert!(fixture.counter.packets_to(&["192.0.2.80/32"])? > 0);

    fixture.set_resolver("203.0.113.66")?;
    fixture
        .enforcer
        .await_status("the protected resolver", asks("203.0.113.66:53"))?;
    assert!(!fixture.reaches("203.0.113.66")?);
    assert!(!fixture.reaches("192.0.2.80")?);
    fixture.set_resolver(&RESOLVER_V4.to_string())?;
    fixture
        .enforcer
        .await_status("the old resolver", asks("10.53.0.53:53"))?;
    fixture.lab.pull()?;
    Ok(())
}

fn asks(server: &str) -> impl Fn(&Value) -> bool {
    move |status| status["resolvers"] == serde_json::json!([server])
}

fn has_alarm(kind: &str) -> impl Fn(&Value) -> bool {
    move |status| {
        let mut alarms = status["alarms"].as_array().into_iter().flatten();
        alarms.any(|alarm| alarm["kind"] == kind)
    }
}
