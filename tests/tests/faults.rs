//! Faults in the daemon's environment change no verdict and raise alarms.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    fs,
    io::{self, Write},
    net::{IpAddr, Ipv6Addr},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use lab::{
    CONTOSO_LOGIN,
    clients::stream::Plan,
    fixtures::{
        enforcer::binary,
        fixture::{Fixture, RATE},
        shifted_clock::ShiftedClock,
    },
    topology::addresses::{RESOLVER_V4, STORAGE},
};
use serde_json::Value;

const STREAM: &str = env!("CARGO_BIN_EXE_egress-stream");
/// Contoso's data endpoint in westus.
const WESTUS: &str = "198.51.100.200";
/// A storage account that an exception allows.
const AGENTS_ACCOUNT: &str = "203.0.113.77";
/// Duration of the flood on the control socket.
const FLOOD: Duration = Duration::from_secs(3);
/// Ten years in seconds.
const TEN_YEARS: i64 = 10 * 365 * 86_400;

#[test]
fn a_flood_of_denials_changes_no_verdict_and_is_reported_in_sums() -> Result<()> {
    let fixture = Fixture::start(STREAM, "")?;
    // Distinct addresses, so that each denial would be an event.
    let account = |last: u16| Ipv6Addr::new(0x2001, 0xdb8, 0xb10b, 0, 0, 0, 1, last).into();
    let plan = Plan {
        allowed: Plan::lab_default(RATE).allowed,
        protected: (0..4500).map(account).collect(),
        rate: 10,
    };
    fixture.enforcer.signal(libc::SIGSTOP)?;
    let flooded = fixture.one_second(&fixture.lab.device(), &plan);
    fixture.enforcer.signal(libc::SIGCONT)?;
    let flooded = flooded?;
    assert!(
        flooded.refused >= 2 * 4500 && flooded.passed.is_empty(),
        "{flooded:?}"
    );
    assert!(
        flooded.answered > 5 && flooded.failed.is_empty(),
        "{flooded:?}"
    );
    assert_eq!(fixture.counter.packets_to(&STORAGE)?, 0);

    let has_suppressed =
        |status: &Value| status["counters"]["suppressed-events"].as_u64() > Some(8000);
    let status = fixture
        .enforcer
        .await_status("suppressed events", has_suppressed)?;
    assert_eq!(status["counters"]["lost-events"], 0);
    let told = fixture.enforcer.cli(["status"])?.success()?;
    assert!(told.contains("only in summary events"), "{told}");
    fixture.check_for_a_second()?;
    has_event(&fixture, "203.0.113.66")
}

#[test]
fn an_unusable_state_file_is_set_aside_with_an_alarm() -> Result<()> {
    let mut fixture = Fixture::prepare(STREAM, "")?;
    let file = fixture.enforcer.state().join("state.json");
    fs::create_dir_all(fixture.enforcer.state())?;
    let backup = |suffix: &str| {
        fixture
            .enforcer
            .state()
            .join(format!("state.json.{suffix}"))
    };
    let cases = [
        ("{\"version\":1,\"names\":{\"contoso", backup("corrupt")),
        ("{\"version\":7}", backup("v7")),
    ];
    for (broken, preserved) in cases {
        fs::write(&file, broken)?;
        check_start_with_unusable_state(&mut fixture)?;
        assert_eq!(fs::read_to_string(preserved)?, broken);
    }
    fs::remove_file(fixture.enforcer.state().join("state.json.corrupt"))?;
    fs::remove_file(&file)?;
    fs::create_dir(&file)?;
    check_start_with_unusable_state(&mut fixture)
}

fn check_start_with_unusable_state(fixture: &mut Fixture) -> Result<()> {
    fixture.enforcer.run()?;
    fixture
        .enforcer
        .await_status("an alarm", has_alarm("state-unreadable"))?;
    fixture.enforcer.await_names()?;
    fixture.check_for_a_second()?;
    assert!(fixture.enforcer.end(libc::SIGTERM)?.success());
    let saved = fs::read_to_string(fixture.enforcer.state().join("state.json"))?;
    assert!(saved.contains("198.51.100.10"), "{saved}");
    Ok(())
}

#[test]
fn a_full_disk_keeps_the_old_state_until_there_is_free_space() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    fixture.enforcer.end(libc::SIGTERM)?;
    let old = fs::read_to_string(fixture.enforcer.state().join("state.json"))?;
    // A small file system over the state directory, in the daemon's mount namespace only.
    let script = "cp \"$STATE/state.json\" \"$STATE.old\" && mount -t tmpfs -o size=64k none \"$STATE\" && \
        cp \"$STATE.old\" \"$STATE/state.json\" && { cat /dev/zero > \"$STATE/filler\"; exec \"$0\" run \"$@\"; }";
    let binary = binary()?;
    let arguments = [OsStr::new("-c"), OsStr::new(script), binary.as_os_str()];
    let mut command = fixture.enforcer.command_of(Path::new("sh"), arguments);
    command.env("STATE", fixture.enforcer.state());
    fixture.enforcer.run_as(command)?;
    let stream = fixture.stream()?;
    let root = PathBuf::from(format!("/proc/{}/root", fixture.enforcer.pid()?));
    let state = root.join(fixture.enforcer.state().strip_prefix("/")?);
    assert_eq!(fs::read_to_string(state.join("state.json"))?, old);

    let both = fixture.configuration(&["eastus", "westus"], "");
    fixture.reload(&both, has_alarm("state-unsaved"))?;
    assert_eq!(fs::read_to_string(state.join("state.json"))?, old);
    assert!(fixture.reaches(WESTUS)?);

    fs::remove_file(state.join("filler"))?;
    fixture
        .enforcer
        .await_status("the state is saved", |status| {
            !has_alarm("state-unsaved")(status)
        })?;
    let new = fs::read_to_string(state.join("state.json"))?;
    assert!(new.contains(WESTUS) && !old.contains(WESTUS), "{new}");
    fixture.check(&stream.end()?)
}

#[test]
fn a_clock_change_allows_nothing_denies_nothing_and_raises_an_alarm() -> Result<()> {
    let mut fixture = Fixture::prepare(STREAM, "")?;
    let clock = ShiftedClock::new(fixture.lab.dir())?;
    let agent = fixture.lab.device_cgroup().child("agent")?;
    let agent = fixture.lab.device_in(&agent);
    let both = fixture.configuration(&["eastus", "westus"], "");
    fixture.enforcer.configure(&both)?;
    let mut command = fixture.enforcer.command(["run"])?;
    clock.apply_to(&mut command);
    fixture.enforcer.run_as(command)?;
    if !clock.is_seen_by(fixture.enforcer.pid()?)? {
        writeln!(
            io::stderr(),
            "NOT RUN: the binary under test is linked statically, so its clock cannot be shifted"
        )?;
        return Ok(());
    }
    fixture.enforcer.await_names()?;
    // The data endpoint in westus lingers; one exception lasts an hour, the other 12 seconds.
    let exceptions =
        exception(&fixture, AGENTS_ACCOUNT, 3600) + &exception(&fixture, "203.0.113.78", 12);
    let eastus = fixture.configuration(&["eastus"], &exceptions);
    let ended = |status: &Value| [0, 1].map(|index| status["exceptions"][index]["ended"] == true);
    let first = fixture.reload(&eastus, |status| status["exceptions"][1].is_object())?;
    assert_eq!(ended(&first), [false, false]);
    let stream = fixture.stream()?;
    assert!(fixture.reaches(WESTUS)?);

    clock.set(-TEN_YEARS)?;
    fixture
        .enforcer
        .await_status("the alarm", has_alarm("clock-set"))?;
    let past = fixture
        .enforcer
        .await_status("the short exception ends", |status| ended(status)[1])?;
    assert_eq!(ended(&past), [false, true]);
    assert!(fixture.reaches_from(&agent, AGENTS_ACCOUNT)?);
    assert!(!fixture.reaches_from(&agent, "203.0.113.78")?);
    assert!(fixture.reaches(WESTUS)?);

    clock.set(0)?;
    fixture
        .enforcer
        .await_status("no alarm", |status| !has_alarm("clock-set")(status))?;
    clock.set(TEN_YEARS)?;
    let future = fixture
        .enforcer
        .await_status("the alarm", has_alarm("clock-set"))?;
    assert_eq!(ended(&future), [true, true]);
    within_a_minute(|| Ok(!fixture.reaches_from(&agent, AGENTS_ACCOUNT)?))?;
    assert!(fixture.reaches(WESTUS)?);

    clock.set(0)?;
    fixture
        .enforcer
        .await_status("no alarm", |status| !has_alarm("clock-set")(status))?;
    within_a_minute(|| fixture.reaches_from(&agent, AGENTS_ACCOUNT))?;
    fixture.check(&stream.end()?)
}

/// Waits for an effect of the shifted clock. A preloaded clock cancels no timer and a status request triggers nothing, so the effect comes with
/// the rescan of each minute.
fn within_a_minute(mut wanted: impl FnMut() -> Result<bool>) -> Result<()> {
    let limit = Instant::now() + Duration::from_secs(70);
    while !wanted()? {
        ensure!(Instant::now() < limit, "not within a minute");
    }
    Ok(())
}

/// Returns an exception that lasts `seconds` from now.
fn exception(fixture: &Fixture, address: &str, seconds: i64) -> String {
    let until = Timestamp::now() + SignedDuration::from_secs(seconds);
    format!(
        "[[exception]]\nreason = \"a test\"\ncgroup = \"/{}/device/agent\"\ncidrs = [\"{address}/32\"]\nuntil = {until}\n",
        fixture.lab.name()
    )
}

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
fn a_flood_on_the_control_socket_affects_nothing() -> Result<()> {
    let fixture = Fixture::start(STREAM, "")?;
    let socket = fixture.lab.dir().join("enforcer/run/control.sock");
    let stream = fixture.stream()?;
    let mut open = VecDeque::new();
    let begun = Instant::now();
    // As many as possible in FLOOD, during the stream.
    for number in (0..u32::MAX).take_while(|number| *number < 2000 || begun.elapsed() < FLOOD) {
        let mut connection =
            UnixStream::connect(&socket).with_context(|| format!("connection {number}"))?;
        let garbage: &[u8] = match number % 4 {
            0 => b"",
            1 => b"GET /events?follow=1 HTTP/1.1\r\nhost: a\r\n\r\n",
            2 => b"\x16\x03\x01\x02\x00\x01\xff\xfe\r\n\r\n",
            _ => &[b'A'; 9000],
        };
        // The daemon may close the connection before reading everything.
        drop(connection.write_all(garbage));
        open.push_back(connection);
        if open.len() > 400 {
            open.pop_front();
        }
    }
    fixture.check(&stream.end()?)?;
    drop(open);
    fixture.enforcer.await_status("an answer", |_| true)?;
    has_event(&fixture, "203.0.113.66")
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

/// Checks that the daemon reports a denial of `destination`.
fn has_event(fixture: &Fixture, destination: &str) -> Result<()> {
    let events = fixture.enforcer.json(["events"])?;
    let is_reported = events
        .as_array()
        .into_iter()
        .flatten()
        .any(|event| event["destination"] == destination);
    ensure!(is_reported, "no event for {destination}: {events}");
    Ok(())
}
