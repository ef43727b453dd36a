//! Receivers of events: Debian's rsyslog, and OpenTelemetry's definitions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use lab::Lab;
use lab::fixtures::fixture::Fixture;
use lab::fixtures::process::Running;
use lab::fixtures::tool_cache::ToolCache;
use serde_json::Value;

use crate::STREAM;

const EVIL: &str = "203.0.113.66";
const COLLECTOR: &str = include_str!("../../lab/otlp_collector.py");
const OTLP_PORT: &str = "4318";

#[test]
fn rsyslog_reads_each_field_of_a_denial() -> Result<()> {
    let fixture = Fixture::prepare(STREAM, "")?;
    let dir = fixture.lab.dir().join("rsyslog");
    fs::create_dir(&dir)?;
    let (socket, out) = (dir.join("socket"), dir.join("out"));
    let _rsyslog = rsyslog(&fixture.lab, &dir)?;
    let mut fixture = fixture;
    fixture
        .enforcer
        .edit("[paths]", &format!("[log]\nsyslog = {socket:?}\n[paths]"))?;
    fixture.enforcer.run()?;
    ensure!(!fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    let received = |words: &str| {
        let received = |_: &Value| fs::read_to_string(&out).is_ok_and(|text| text.contains(words));
        fixture.enforcer.await_status(words, received)
    };
    received(&format!(
        "authpriv.warning egress-enforcer denied: {EVIL} 443 storage curl\n"
    ))?;

    fixture
        .enforcer
        .edit("[log]\n", "[log]\nsyslog-format = \"cef\"\n")?;
    fixture.enforcer.signal(libc::SIGHUP)?;
    let reloaded = |_: &Value| fixture.enforcer.log().contains("event log: closed");
    fixture
        .enforcer
        .await_status("the log is opened again", reloaded)?;
    fixture.lab.exfiltrate_curl(&fixture.lab.device())?;
    received("|storage|denied|7|")?;
    Ok(())
}

/// Starts Debian's rsyslog, which writes what it understood of each message.
fn rsyslog(lab: &Lab, dir: &Path) -> Result<Running> {
    let cache = ToolCache::open()?;
    let config = dir.join("rsyslog.conf");
    let text = format!(
        r#"global(workDirectory="{0}")
module(load="imuxsock" SysSock.Use="off")
module(load="mmjsonparse")
input(type="imuxsock" Socket="{0}/socket" UseSpecialParser="off" ParseHostname="on")
template(name="fields" type="string" string="%syslogfacility-text%.%syslogseverity-text% %app-name% %msgid%: %$!destination% %$!port% %$!reason% %$!command%\n")
template(name="whole" type="string" string="%syslogfacility-text%.%syslogseverity-text% %app-name% %msgid%: %msg%\n")
action(type="mmjsonparse")
if $parsesuccess == "OK" then action(type="omfile" file="{0}/out" template="fields")
else action(type="omfile" file="{0}/out" template="whole")
"#,
        dir.display()
    );
    fs::write(&config, text)?;
    let mut command = cache.debian(&lab.device(), "usr/sbin/rsyslogd");
    command
        .args(["-n", "-f"])
        .arg(&config)
        .arg("-i")
        .arg(dir.join("pid"))
        .arg("-M")
        .arg(cache.rsyslog_modules()?);
    let running = Running::start("rsyslogd", command)?;
    let socket = dir.join("socket");
    for _ in 0..200 {
        if socket.exists() {
            return Ok(running);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    anyhow::bail!("rsyslogd opens no socket")
}

#[test]
fn a_collector_that_comes_late_gets_each_field_of_a_denial() -> Result<()> {
    let config = format!("[log]\notlp = \"http://127.0.0.1:{OTLP_PORT}\"\n");
    let fixture = Fixture::start(STREAM, &config)?;
    ensure!(!fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    await_failing(&fixture, true)?;
    let out = fixture.lab.dir().join("records");
    let _collector = collector(&fixture.lab, &out)?;
    let listens = |_: &Value| out.exists();
    fixture
        .enforcer
        .await_status("the collector listens", listens)?;
    await_failing(&fixture, false)?;
    let begin = format!("egress-enforcer WARN egress-enforcer.denied {EVIL} 443 storage curl ");
    let denials = || -> Vec<String> {
        let text = fs::read_to_string(&out).unwrap_or_default();
        let numbers = text.lines().filter_map(|line| line.strip_prefix(&begin));
        numbers.map(str::to_owned).collect()
    };
    let more_than = |what: &str, count: usize| {
        let are_there = |_: &Value| denials().len() > count;
        fixture.enforcer.await_status(what, are_there)
    };
    more_than("the denial from before", 0)?;
    let before = denials().len();
    ensure!(!fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    more_than("a denial with the collector there", before)?;
    let all = denials();
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "each once: {all:?}");
    Ok(())
}

/// Waits until the alarm about the collector is there or not.
fn await_failing(fixture: &Fixture, expected: bool) -> Result<()> {
    let is_expected = |status: &Value| {
        let alarms = status["alarms"].as_array().into_iter().flatten();
        alarms
            .filter(|alarm| alarm["kind"] == "otlp-failing")
            .count()
            == usize::from(expected)
    };
    let what = format!("otlp-failing: {expected}");
    fixture.enforcer.await_status(&what, is_expected)?;
    Ok(())
}

fn collector(lab: &Lab, out: &Path) -> Result<Running> {
    let mut command = lab
        .device()
        .command(ToolCache::open()?.path("venv/bin/python"));
    command.args(["-c", COLLECTOR, OTLP_PORT]).arg(out);
    Running::start("collector", command)
}
