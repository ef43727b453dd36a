//! What breaks around the daemon changes no verdict, and is told.

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
        fixture::{RATE, Scene},
        shifted_clock::ShiftedClock,
    },
    topology::addresses::{RESOLVER_V4, STORAGE},
};
use serde_json::Value;

const STREAM: &str = env!("CARGO_BIN_EXE_egress-stream");
/// Contoso's data endpoint in westus.
const WESTUS: &str = "198.51.100.200";
/// A storage account that an exception opens.
const AGENTS_ACCOUNT: &str = "203.0.113.77";
/// How long the control socket is flooded.
const FLOOD: Duration = Duration::from_secs(3);
/// Ten years in seconds.
const TEN_YEARS: i64 = 10 * 365 * 86_400;

#[test]
fn a_flood_of_denials_changes_no_verdict_and_is_told_in_sums() -> Result<()> {
    let scene = Scene::start(STREAM, "")?;
    // Each would have an event of its own.
    let account = |last: u16| Ipv6Addr::new(0x2001, 0xdb8, 0xb10b, 0, 0, 0, 1, last).into();
    let plan = Plan {
        allowed: Plan::of_the_lab(RATE).allowed,
        protected: (0..4500).map(account).collect(),
        rate: 10,
    };
    scene.enforcer.signal(libc::SIGSTOP)?;
    let flooded = scene.one_second(&scene.lab.device(), &plan);
    scene.enforcer.signal(libc::SIGCONT)?;
    let flooded = flooded?;
    assert!(
        flooded.refused >= 2 * 4500 && flooded.passed.is_empty(),
        "{flooded:?}"
    );
    assert!(
        flooded.answered > 5 && flooded.failed.is_empty(),
        "{flooded:?}"
    );
    assert_eq!(scene.wire.packets_to(&STORAGE)?, 0);

    let withheld = |status: &Value| status["counters"]["withheld-events"].as_u64() > Some(8000);
    let status = scene.enforcer.await_status("withheld events", withheld)?;
    assert_eq!(status["counters"]["lost-events"], 0);
    let told = scene.enforcer.ask(["status"])?.success()?;
    assert!(told.contains("only in sums"), "{told}");
    scene.check_for_a_second()?;
    has_event(&scene, "203.0.113.66")
}

#[test]
fn an_unusable_state_file_is_set_aside_and_told() -> Result<()> {
    let mut scene = Scene::prepare(STREAM, "")?;
    let file = scene.enforcer.state().join("state.json");
    fs::create_dir_all(scene.enforcer.state())?;
    let aside = |suffix: &str| scene.enforcer.state().join(format!("state.json.{suffix}"));
    let cases = [
        ("{\"version\":1,\"names\":{\"contoso", aside("corrupt")),
        ("{\"version\":7}", aside("v7")),
    ];
    for (broken, kept) in cases {
        fs::write(&file, broken)?;
        unusable_state_is_survived(&mut scene)?;
        assert_eq!(fs::read_to_string(kept)?, broken);
    }
    fs::remove_file(scene.enforcer.state().join("state.json.corrupt"))?;
    fs::remove_file(&file)?;
    fs::create_dir(&file)?;
    unusable_state_is_survived(&mut scene)
}

fn unusable_state_is_survived(scene: &mut Scene) -> Result<()> {
    scene.enforcer.run()?;
    scene
        .enforcer
        .await_status("an alarm", has_alarm("state-unreadable"))?;
    scene.enforcer.await_names()?;
    scene.check_for_a_second()?;
    assert!(scene.enforcer.end(libc::SIGTERM)?.success());
    let saved = fs::read_to_string(scene.enforcer.state().join("state.json"))?;
    assert!(saved.contains("198.51.100.10"), "{saved}");
    Ok(())
}

#[test]
fn a_full_disk_keeps_the_old_state_until_there_is_room_again() -> Result<()> {
    let mut scene = Scene::start(STREAM, "")?;
    scene.enforcer.end(libc::SIGTERM)?;
    let old = fs::read_to_string(scene.enforcer.state().join("state.json"))?;
    // A small file system over the state directory, that only the daemon sees and that ends with it.
    let script = "cp \"$STATE/state.json\" \"$STATE.old\" && mount -t tmpfs -o size=64k none \"$STATE\" && \
        cp \"$STATE.old\" \"$STATE/state.json\" && { cat /dev/zero > \"$STATE/filler\"; exec \"$0\" run \"$@\"; }";
    let binary = binary()?;
    let arguments = [OsStr::new("-c"), OsStr::new(script), binary.as_os_str()];
    let mut command = scene.enforcer.command_of(Path::new("sh"), arguments);
    command.env("STATE", scene.enforcer.state());
    scene.enforcer.run_as(command)?;
    let stream = scene.stream()?;
    let root = PathBuf::from(format!("/proc/{}/root", scene.enforcer.pid()?));
    let state = root.join(scene.enforcer.state().strip_prefix("/")?);
    assert_eq!(fs::read_to_string(state.join("state.json"))?, old);

    let both = scene.configuration(&["eastus", "westus"], "");
    scene.reload(&both, has_alarm("state-unsaved"))?;
    assert_eq!(fs::read_to_string(state.join("state.json"))?, old);
    assert!(scene.reaches(WESTUS)?);

    fs::remove_file(state.join("filler"))?;
    scene
        .enforcer
        .await_status("the state is saved", |status| {
            !has_alarm("state-unsaved")(status)
        })?;
    let new = fs::read_to_string(state.join("state.json"))?;
    assert!(new.contains(WESTUS) && !old.contains(WESTUS), "{new}");
    scene.check(&stream.end()?)
}

#[test]
fn a_clock_that_is_set_opens_nothing_closes_nothing_and_is_told() -> Result<()> {
    let mut scene = Scene::prepare(STREAM, "")?;
    let clock = ShiftedClock::new(scene.lab.dir())?;
    let agent = scene.lab.device_cgroup().child("agent")?;
    let agent = scene.lab.device_in(&agent);
    let both = scene.configuration(&["eastus", "westus"], "");
    scene.enforcer.configure(&both)?;
    let mut command = scene.enforcer.command(["run"])?;
    clock.wind(&mut command);
    scene.enforcer.run_as(command)?;
    if !clock.is_seen_by(scene.enforcer.pid()?)? {
        writeln!(
            io::stderr(),
            "NOT RUN: the binary under test is linked statically, so its clock cannot be shifted"
        )?;
        return Ok(());
    }
    scene.enforcer.await_names()?;
    // The data endpoint in westus lingers; one exception lasts an hour, the other some seconds.
    let exceptions =
        exception(&scene, AGENTS_ACCOUNT, 3600) + &exception(&scene, "203.0.113.78", 12);
    let eastus = scene.configuration(&["eastus"], &exceptions);
    let ended = |status: &Value| [0, 1].map(|index| status["exceptions"][index]["ended"] == true);
    let first = scene.reload(&eastus, |status| status["exceptions"][1].is_object())?;
    assert_eq!(ended(&first), [false, false]);
    let stream = scene.stream()?;
    assert!(scene.reaches(WESTUS)?);

    clock.set(-TEN_YEARS)?;
    scene
        .enforcer
        .await_status("the alarm", has_alarm("clock-set"))?;
    let past = scene
        .enforcer
        .await_status("the short exception ends", |status| ended(status)[1])?;
    assert_eq!(ended(&past), [false, true]);
    assert!(scene.reaches_from(&agent, AGENTS_ACCOUNT)?);
    assert!(!scene.reaches_from(&agent, "203.0.113.78")?);
    assert!(scene.reaches(WESTUS)?);

    clock.set(0)?;
    scene
        .enforcer
        .await_status("no alarm", |status| !has_alarm("clock-set")(status))?;
    clock.set(TEN_YEARS)?;
    let future = scene
        .enforcer
        .await_status("the alarm", has_alarm("clock-set"))?;
    assert_eq!(ended(&future), [true, true]);
    within_a_minute(|| Ok(!scene.reaches_from(&agent, AGENTS_ACCOUNT)?))?;
    assert!(scene.reaches(WESTUS)?);

    clock.set(0)?;
    scene
        .enforcer
        .await_status("no alarm", |status| !has_alarm("clock-set")(status))?;
    within_a_minute(|| scene.reaches_from(&agent, AGENTS_ACCOUNT))?;
    scene.check(&stream.end()?)
}

/// Waits for what follows from a clock that is shifted: no timer is cancelled by that, and asking for the status changes nothing, so that it
/// comes with the rescan of each minute.
fn within_a_minute(mut wanted: impl FnMut() -> Result<bool>) -> Result<()> {
    let limit = Instant::now() + Duration::from_secs(70);
    while !wanted()? {
        ensure!(Instant::now() < limit, "not within a minute");
    }
    Ok(())
}

/// An exception that lasts `seconds` from now.
fn exception(scene: &Scene, address: &str, seconds: i64) -> String {
    let until = Timestamp::now() + SignedDuration::from_secs(seconds);
    format!(
        "[[exception]]\nreason = \"a test\"\ncgroup = \"/{}/device/agent\"\ncidrs = [\"{address}/32\"]\nuntil = {until}\n",
        scene.lab.name()
    )
}

#[test]
fn a_protected_set_that_does_not_fit_is_refused_whole_and_names_are_followed_on() -> Result<()> {
    let mut scene = Scene::start(STREAM, "")?;
    let stream = scene.stream()?;
    let scattered: Vec<String> = (0..5000_u32)
        .map(|number| format!("\"45.{}.{}.0/25\"", number / 256, number % 256))
        .collect();
    let fits = scene.configuration(&["eastus", "westus"], "");
    let too_much = fits.replace(
        "[protect]\n",
        &format!("[protect]\ncidrs = [{}]\n", scattered.join(",")),
    );
    let before = scene.enforcer.status()?;
    let after = scene.reload(&too_much, has_alarm("config-refused"))?;
    for same in ["tags", "generation"] {
        assert_eq!(before[same], after[same], "{after}");
    }
    assert!(!scene.reaches(WESTUS)?);
    assert_eq!(scene.enforcer.ask(["explain", "45.0.0.1"])?.code(), Some(0));

    let next: IpAddr = "198.51.100.11".parse()?;
    scene.lab.dns().set_addresses(CONTOSO_LOGIN, &[next], 1)?;
    scene
        .enforcer
        .await_status("the new address is open", |status| {
            status["registries"][0]["names"]
                .to_string()
                .contains("198.51.100.11")
        })?;
    assert!(scene.reaches("198.51.100.11")?);
    scene.check(&stream.end()?)?;

    scene.enforcer.end(libc::SIGTERM)?;
    let start = scene.enforcer.ask(["run"])?;
    assert!(start.refusal()?.contains("fit"), "{start:?}");
    scene.check_for_a_second()
}

#[test]
fn a_flood_on_the_control_socket_disturbs_nothing() -> Result<()> {
    let scene = Scene::start(STREAM, "")?;
    let socket = scene.lab.dir().join("enforcer/run/control.sock");
    let stream = scene.stream()?;
    let mut open = VecDeque::new();
    let begun = Instant::now();
    // As many as can be made in a while, so that the stream runs beside them.
    for number in (0..u32::MAX).take_while(|number| *number < 2000 || begun.elapsed() < FLOOD) {
        let mut connection =
            UnixStream::connect(&socket).with_context(|| format!("connection {number}"))?;
        let garbage: &[u8] = match number % 4 {
            0 => b"",
            1 => b"GET /events?follow=1 HTTP/1.1\r\nhost: a\r\n\r\n",
            2 => b"\x16\x03\x01\x02\x00\x01\xff\xfe\r\n\r\n",
            _ => &[b'A'; 9000],
        };
        // The daemon may close it before it has read everything.
        drop(connection.write_all(garbage));
        open.push_back(connection);
        if open.len() > 400 {
            open.pop_front();
        }
    }
    scene.check(&stream.end()?)?;
    drop(open);
    scene.enforcer.await_status("an answer", |_| true)?;
    has_event(&scene, "203.0.113.66")
}

#[test]
fn another_resolver_of_the_system_is_asked_and_exempt_unless_it_is_protected() -> Result<()> {
    let mut scene = Scene::prepare(STREAM, "")?;
    let config = scene.configuration(&["eastus"], "");
    let web = config.replace("[protect]\n", "[protect]\ncidrs = [\"192.0.2.0/24\"]\n");
    scene.enforcer.configure(&web)?;
    // The names are asked for again after the shortest time that there is.
    scene.lab.dns().set_addresses(
        CONTOSO_LOGIN,
        &["198.51.100.10".parse()?, "2001:db8:acc::10".parse()?],
        1,
    )?;
    scene.enforcer.run()?;
    scene.enforcer.await_names()?;
    assert!(!scene.reaches("192.0.2.80")?);

    scene.set_resolver("192.0.2.80")?;
    scene
        .enforcer
        .await_status("the new resolver", asks("192.0.2.80:53"))?;
    scene.enforcer.await_names()?;
    assert!(scene.reaches("192.0.2.80")?);
    assert!(scene.wire.packets_to(&["192.0.2.80/32"])? > 0);

    scene.set_resolver("203.0.113.66")?;
    scene
        .enforcer
        .await_status("the protected resolver", asks("203.0.113.66:53"))?;
    assert!(!scene.reaches("203.0.113.66")?);
    assert!(!scene.reaches("192.0.2.80")?);
    scene.set_resolver(&RESOLVER_V4.to_string())?;
    scene
        .enforcer
        .await_status("the old resolver", asks("10.53.0.53:53"))?;
    scene.lab.pull()?;
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

/// Fails unless the daemon tells a denial of `destination`.
fn has_event(scene: &Scene, destination: &str) -> Result<()> {
    let events = scene.enforcer.json(["events"])?;
    let told = events
        .as_array()
        .into_iter()
        .flatten()
        .any(|event| event["destination"] == destination);
    ensure!(told, "no event for {destination}: {events}");
    Ok(())
}
