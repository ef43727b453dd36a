//! The daemon comes and goes, and changes its mind; the rule stays. Real traffic, judged on the wire.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use lab::{
    Lab,
    dns::Fault,
    enforcer::{Enforcer, binary, configuration},
    place::Place,
    process::Finished,
    stream::{Plan, Stream, Totals},
    wire::Wire,
};
use serde_json::Value;

const STREAM: &str = env!("CARGO_BIN_EXE_egress-stream");
/// Rounds a second: about 200 connections to contoso, and 1,600 attempts at the bad actor.
const RATE: u32 = 200;
const SECOND: Duration = Duration::from_secs(1);
/// The bad actor's account and registry.
const PROTECTED: [&str; 4] = [
    "203.0.113.66/32",
    "2001:db8:b10b::66/128",
    "198.51.100.50/32",
    "2001:db8:acc::50/128",
];
/// A storage account that an exception opens.
const AGENTS_ACCOUNT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 77);

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
    assert!(
        number(&after, "generation")? > number(&before, "generation")?,
        "{after}"
    );
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

#[test]
fn another_binary_takes_over_and_a_second_instance_is_refused() -> Result<()> {
    let mut scene = Scene::start("")?;
    let stream = scene.stream()?;
    let pid = scene.enforcer.pid()?;
    let refused = scene.enforcer.ask(["run"])?;
    assert_eq!(
        (code(&refused), refused.stderr.lines().count()),
        (2, 1),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("another egress-enforcer runs"),
        "{refused:?}"
    );
    assert_eq!(number(&scene.enforcer.status()?, "pid")?, u64::from(pid));

    let next = scene.lab.dir().join("egress-enforcer-next");
    fs::copy(binary()?, &next)?;
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        scene.enforcer.end(signal)?;
        let command = scene.enforcer.command_of(&next, ["run"]);
        scene.enforcer.run_as(command)?;
        let program = fs::read_link(format!("/proc/{}/exe", scene.enforcer.pid()?))?;
        assert_eq!(program, next.canonicalize()?);
    }
    scene.flawless(&stream.end()?)
}

#[test]
fn a_reload_under_a_stream_changes_what_it_says_and_nothing_else() -> Result<()> {
    let scene = Scene::start("")?;
    let agent = scene.lab.device_cgroup().child("agent")?;
    let open = Plan {
        allowed: vec![(AGENTS_ACCOUNT, 443).into()],
        protected: Vec::new(),
        rate: RATE,
    };
    let by_agent = || one_second(&scene.lab.device_in(&agent), &open);
    let stream = scene.stream()?;

    scene.reload(&["eastus", "westus"], "", |status| {
        status["registries"][0]["names"]
            .as_array()
            .is_some_and(|names| names.len() == 3)
    })?;
    scene.enforcer.await_names()?;
    assert_eq!(
        one_second(&scene.lab.device(), &westus())?.failed,
        BTreeMap::new()
    );

    assert_eq!(by_agent()?.answered, 0);
    let exception = format!(
        "[[exception]]\nreason = \"an agent\"\ncgroup = \"/{}/device/agent\"\ncidrs = [\"{AGENTS_ACCOUNT}/32\"]\n\
         until = 2100-01-01T00:00:00Z\n",
        scene.lab.name()
    );
    let has_exceptions = |count| {
        move |status: &Value| {
            status["exceptions"]
                .as_array()
                .is_some_and(|all| all.len() == count)
        }
    };
    scene.reload(&["eastus"], &exception, has_exceptions(1))?;
    let opened = by_agent()?;
    assert!(
        opened.failed.is_empty() && opened.answered > 10,
        "{opened:?}"
    );
    scene.reload(&["eastus"], "", has_exceptions(0))?;
    assert_eq!(by_agent()?.answered, 0);

    assert!(reaches(&scene.lab, "192.0.2.80")?);
    grow_service_tags(scene.lab.world().service_tags())?;
    scene.reload(&["eastus"], "", |status| {
        status["tags"]["change-number"] == 2
    })?;
    assert!(!reaches(&scene.lab, "192.0.2.80")?);

    scene.flawless(&stream.end()?)
}

#[test]
fn what_is_denied_passes_in_audit_and_only_then() -> Result<()> {
    let scene = Scene::start("")?;
    let config = scene.configuration(&["eastus"], "");
    let switch = |mode: &str| -> Result<()> {
        scene
            .enforcer
            .configure(&format!("mode = \"{mode}\"\n{config}"))?;
        scene.enforcer.signal(libc::SIGHUP)?;
        scene
            .enforcer
            .await_status(mode, |status| status["mode"] == mode)?;
        Ok(())
    };
    let before = scene.stream()?;
    thread::sleep(SECOND);
    scene.flawless(&before.end()?)?;

    switch("audit")?;
    let audited = one_second(&scene.lab.device(), &Plan::of_the_lab(RATE))?;
    assert!(
        audited.refused == 0 && !audited.passed.is_empty(),
        "{audited:?}"
    );
    assert!(scene.wire.packets_to(&PROTECTED)? > 100);
    assert_eq!(scene.enforcer.json(["status"])?["enforcing"], false);

    switch("enforce")?;
    thread::sleep(SECOND);
    let passed = scene.wire.packets_to(&PROTECTED)?;
    let after = one_second(&scene.lab.device(), &Plan::of_the_lab(RATE))?;
    assert!(
        after.passed.is_empty() && after.failed.is_empty() && after.refused > 100,
        "{after:?}"
    );
    assert_eq!(scene.wire.packets_to(&PROTECTED)?, passed);
    Ok(())
}

#[test]
fn only_unload_ends_enforcement_and_not_while_the_daemon_runs() -> Result<()> {
    let mut scene = Scene::start("")?;
    let refused = scene.enforcer.ask(["unload"])?;
    assert_eq!(
        (code(&refused), refused.stderr.lines().count()),
        (2, 1),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("the daemon runs"), "{refused:?}");
    scene.pull_works_and_evil_does_not()?;

    scene.enforcer.end(libc::SIGTERM)?;
    let ephemeral = scene.enforcer.ask(["run", "--ephemeral"])?;
    assert_eq!(
        (code(&ephemeral), ephemeral.stderr.lines().count()),
        (2, 1),
        "{ephemeral:?}"
    );
    assert!(ephemeral.stderr.contains("unload"), "{ephemeral:?}");
    scene.pull_works_and_evil_does_not()?;
    assert_eq!(scene.wire.packets_to(&PROTECTED)?, 0);

    let ended = scene.enforcer.ask(["unload"])?.success()?;
    assert!(ended.contains("ended"), "{ended}");
    assert!(!scene.pins().exists());
    assert!(scene.lab.exfiltrate_curl(&scene.lab.device())?.ok);
    assert_eq!(code(&scene.enforcer.ask(["status"])?), 1);
    let again = scene.enforcer.ask(["unload"])?.success()?;
    assert!(again.contains("nothing was enforced"), "{again}");
    Ok(())
}

#[test]
fn an_ephemeral_run_ends_with_its_process_however_that_ends() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    for signal in [libc::SIGKILL, libc::SIGINT, libc::SIGTERM] {
        let command = enforcer.command(["run", "--ephemeral"])?;
        enforcer.run_as(command)?;
        enforcer.await_names()?;
        lab.pull()?;
        assert!(!lab.exfiltrate_curl(&lab.device())?.ok);
        let status = enforcer.end(signal)?;
        assert_eq!(status.success(), signal != libc::SIGKILL, "{status}");
        assert!(
            lab.exfiltrate_curl(&lab.device())?.ok,
            "after signal {signal}"
        );
        assert_eq!(code(&enforcer.ask(["status"])?), 1);
        assert_eq!(lab.bpffs().join("pins").exists(), signal == libc::SIGKILL);
        assert!(
            !enforcer.state().exists(),
            "an ephemeral run leaves no state"
        );
    }
    Ok(())
}

#[test]
fn a_start_without_dns_opens_what_was_open_last() -> Result<()> {
    let mut scene = Scene::start("")?;
    scene.enforcer.end(libc::SIGTERM)?;
    scene.enforcer.ask(["unload"])?.success()?;
    let config = scene.configuration(&["eastus"], "");
    let nobody = config.replace("[dns]\n", "[dns]\nservers = [\"10.53.0.99\"]\n");
    assert_ne!(nobody, config);
    scene.enforcer.configure(&nobody)?;
    scene.enforcer.run()?;
    scene.pull_works_and_evil_does_not()?;
    let totals = one_second(&scene.lab.device(), &Plan::of_the_lab(RATE))?;
    scene.flawless(&totals)
}

#[test]
fn a_first_start_without_dns_closes_everything_until_dns_returns() -> Result<()> {
    let lab = Lab::start()?;
    let wire = Wire::watch(lab.world())?;
    lab.dns().fail_mode(Fault::Silent)?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    let closed = one_second(&lab.device(), &Plan::of_the_lab(RATE))?;
    assert!(
        closed.answered == 0 && closed.passed.is_empty() && closed.refused > 100,
        "{closed:?}"
    );
    assert!(
        closed
            .failed
            .keys()
            .all(|how| how.contains("not permitted")),
        "{closed:?}"
    );
    lab.dns().mend();
    enforcer.await_names()?;
    lab.pull()?;
    assert_eq!(wire.packets_to(&PROTECTED)?, 0);
    Ok(())
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

    fn configuration(&self, regions: &[&str], more: &str) -> String {
        configuration(&self.lab, &self.lab.dir().join("enforcer"), regions, more)
    }

    /// Has the daemon read another configuration, and waits until its status shows that it did.
    fn reload(&self, regions: &[&str], more: &str, taken: impl Fn(&Value) -> bool) -> Result<()> {
        self.enforcer
            .configure(&self.configuration(regions, more))?;
        self.enforcer.signal(libc::SIGHUP)?;
        self.enforcer.await_status("the new configuration", taken)?;
        Ok(())
    }

    fn pins(&self) -> PathBuf {
        self.lab.bpffs().join("pins")
    }

    fn stream(&self) -> Result<Stream> {
        Stream::start(
            Path::new(STREAM),
            &self.lab.device(),
            &Plan::of_the_lab(RATE),
        )
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
        assert!(
            totals.failed.is_empty() && totals.passed.is_empty(),
            "{totals:?}\n{}",
            self.enforcer.log()
        );
        assert_eq!(totals.retransmitted, 0, "{totals:?}");
        assert_eq!(self.wire.packets_to(&PROTECTED)?, 0);
        Ok(())
    }
}

/// What one second of `plan` in `place` comes to.
fn one_second(place: &Place, plan: &Plan) -> Result<Totals> {
    let stream = Stream::start(Path::new(STREAM), place, plan)?;
    thread::sleep(SECOND);
    stream.end()
}

/// Contoso's data endpoint in westus.
fn westus() -> Plan {
    Plan {
        allowed: vec![(Ipv4Addr::new(198, 51, 100, 200), 443).into()],
        protected: Vec::new(),
        rate: RATE,
    }
}

/// Whether the device can open a connection to port 443 of `address`.
fn reaches(lab: &Lab, address: &str) -> Result<bool> {
    let plan = Plan {
        allowed: vec![(address.parse::<IpAddr>()?, 443).into()],
        protected: Vec::new(),
        rate: RATE,
    };
    let totals = one_second(&lab.device(), &plan)?;
    ensure!(
        (totals.answered == 0) != totals.failed.is_empty(),
        "{totals:?}"
    );
    Ok(totals.answered > 0)
}

/// A newer file that closes the unrelated web server too, and a thousand prefixes more.
fn grow_service_tags(file: &Path) -> Result<()> {
    let mut tags: Value = serde_json::from_slice(&fs::read(file)?)?;
    tags["changeNumber"] = 2.into();
    let values = tags["values"].as_array_mut().context("no values")?;
    let storage = values
        .iter_mut()
        .find(|tag| tag["name"] == "Storage")
        .context("no Storage")?;
    let prefixes = storage["properties"]["addressPrefixes"]
        .as_array_mut()
        .context("no prefixes")?;
    prefixes.push("192.0.2.0/24".into());
    for number in 0..1000 {
        prefixes.push(format!("45.{}.{}.0/25", number / 50, number % 50 * 5).into());
    }
    Ok(fs::write(file, serde_json::to_vec(&tags)?)?)
}

fn code(finished: &Finished) -> i32 {
    finished.status.code().unwrap_or(-1)
}

fn number(status: &Value, key: &str) -> Result<u64> {
    status[key]
        .as_u64()
        .with_context(|| format!("no {key} in {status}"))
}
