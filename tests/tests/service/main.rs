//! The daemon as a systemd service: notifications, watchdog, capabilities, and idle behaviour.

mod metrics;
mod proof;
mod proof_maps;
mod report;
mod schema;
mod top;
mod unit;

use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use enforcer::control::Status;
use enforcer_common::{Hook, layout::VERSION};
use lab::{
    Lab,
    fixtures::{enforcer::Enforcer, process::Running},
    topology::cgroup::Cgroup,
};

const LIMIT: Duration = Duration::from_secs(20);
/// Duration of the idle measurement.
const IDLE: Duration = Duration::from_secs(10);

/// systemd's end of the notification socket (sd_notify(3)).
struct Manager(UnixDatagram);

impl Manager {
    fn new(lab: &Lab) -> Result<Self> {
        let socket = UnixDatagram::bind(Self::path(lab))?;
        socket.set_read_timeout(Some(LIMIT))?;
        Ok(Self(socket))
    }

    fn path(lab: &Lab) -> std::path::PathBuf {
        lab.dir().join("notify")
    }

    /// Returns `command` with the notification socket in its environment.
    fn notified_by(lab: &Lab, mut command: Command) -> Command {
        command.env("NOTIFY_SOCKET", Self::path(lab));
        command
    }

    /// Receives the next message.
    fn receive(&self) -> Result<String> {
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message).context("no notification")?;
        Ok(String::from_utf8(message[..length].to_vec())?)
    }

    /// Receives messages until one contains `line`; returns false after `patience` without a message.
    fn receives_within(&self, patience: Duration, line: &str) -> Result<bool> {
        self.0.set_read_timeout(Some(patience))?;
        let mut message = [0; 4096];
        let outcome = loop {
            match self.0.recv(&mut message) {
                Ok(length) => {
                    let text = str::from_utf8(&message[..length])?;
                    if text.lines().any(|found| found == line) {
                        break true;
                    }
                }
                Err(_timeout) => break false,
            }
        };
        self.0.set_read_timeout(Some(LIMIT))?;
        Ok(outcome)
    }

    /// Receives messages until one begins with `start`, and returns it.
    fn receive_until(&self, start: &str) -> Result<String> {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            let message = self.receive()?;
            if message.starts_with(start) {
                return Ok(message);
            }
        }
        bail!("no notification {start}")
    }

    /// Receives the notifications of a reload and returns the status message.
    fn receive_reload(&self) -> Result<String> {
        let announced = self.receive_until("RELOADING=1")?;
        let moment = announced
            .lines()
            .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        let moment: u64 = moment.context("no moment")?.parse()?;
        ensure!(moment > 0, "{announced}");
        self.receive_until("READY=1\nSTATUS=")
    }
}

#[test]
fn readiness_is_notified_once_enforcement_is_in_force_and_every_reload() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let manager = Manager::new(&lab)?;
    let command = Manager::notified_by(&lab, enforcer.command(["run"])?);
    let mut daemon = Running::start("enforcer", command)?;
    let first = manager.receive()?;
    assert!(
        first.starts_with("READY=1\nSTATUS=enforcing, generation "),
        "{first}"
    );
    let pins = lab.bpffs().join("pins").join(format!("v{VERSION}"));
    for hook in Hook::CGROUP {
        let pin = pins.join(format!("link_{}", hook.word()));
        assert!(pin.exists(), "ready before {} is attached", hook.word());
    }
    assert!(!lab.exfiltrate_curl(&lab.device())?.ok, "enforced");

    daemon.signal(libc::SIGHUP)?;
    let status = manager.receive_reload()?;
    assert!(!status.contains("config-refused"), "{status}");

    let good = fs::read_to_string(enforcer.config())?;
    enforcer.configure("mode = \"off\"")?;
    daemon.signal(libc::SIGHUP)?;
    let status = manager.receive_reload()?;
    for words in ["config-refused", "config.toml:1", "the one in force stays"] {
        assert!(status.contains(words), "no {words:?} in {status}");
    }
    enforcer.configure(&good)?;
    daemon.signal(libc::SIGHUP)?;
    assert!(!manager.receive_reload()?.contains("config-refused"));

    daemon.signal(libc::SIGTERM)?;
    manager.receive_until("STOPPING=1")?;
    let ended = daemon.wait(LIMIT)?.context("it does not end")?;
    assert!(ended.success(), "{ended}");
    Ok(())
}

#[test]
fn an_idle_daemon_notifies_the_watchdog_and_a_stopped_one_does_not() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let manager = Manager::new(&lab)?;
    let mut command = Manager::notified_by(&lab, enforcer.command(["run"])?);
    command.env("WATCHDOG_USEC", "2000000");
    let daemon = Running::start("enforcer", command)?;
    for _ in 0..3 {
        assert!(manager.receives_within(LIMIT, "WATCHDOG=1")?);
    }
    daemon.signal(libc::SIGSTOP)?;
    // Messages from before the stop.
    while manager.receives_within(Duration::from_secs(1), "WATCHDOG=1")? {}
    assert!(!manager.receives_within(Duration::from_secs(3), "WATCHDOG=1")?);
    daemon.signal(libc::SIGCONT)?;
    assert!(manager.receives_within(LIMIT, "WATCHDOG=1")?);
    Ok(())
}

#[test]
fn an_idle_daemon_sleeps_and_detects_a_unit_when_it_starts() -> Result<()> {
    let lab = Lab::start()?;
    let scope = Cgroup::new(&format!("{}.slice", lab.name()))?;
    let mut enforcer = Enforcer::prepare(&lab, &[], "")?;
    let text = fs::read_to_string(enforcer.config())?;
    let paths = text.split_once("[paths]").context("no paths")?.1;
    enforcer.configure(&format!(
        "scope = {:?}\nregistry = []\n[[exception]]\nreason = \"a test\"\nunit = \"agent.service\"\n\
         cidrs = [\"203.0.113.0/25\"]\nuntil = 2999-01-01T00:00:00Z\n[dns]\nservers = [\"192.0.2.53\"]\n[paths]{paths}",
        scope.path()
    ))?;
    enforcer.run()?;
    let nested = scope.path().join("plant.slice");
    let unit = nested.join("agent.service");
    let found = |status: &Status| !status.exceptions[0].cgroups.is_empty();
    for _ in 0..2 {
        fs::create_dir(&nested)?;
        fs::create_dir(&unit)?;
        enforcer.await_api_status("the unit is detected", LIMIT, found)?;
        fs::remove_dir(&unit)?;
        fs::remove_dir(&nested)?;
        enforcer.await_api_status("the unit is gone", LIMIT, |status| !found(status))?;
    }

    let pid = enforcer.pid()?;
    // Time for pending work after the last change of the tree.
    thread::sleep(Duration::from_secs(1));
    let (before, start) = (cpu_usage(pid)?, Instant::now());
    thread::sleep(IDLE);
    let after = cpu_usage(pid)?;
    eprintln!("idle for {:?}: {before:?} to {after:?}", start.elapsed());
    assert!(after.wakeups - before.wakeups <= 2, "{before:?} {after:?}");
    // A wake-up that a tick finds running is charged the whole of it.
    assert!(after.ticks - before.ticks <= 1, "{before:?} {after:?}");
    Ok(())
}

#[derive(Debug)]
struct CpuUsage {
    /// Voluntary context switches of all threads.
    wakeups: u64,
    /// User and system time in hundredths of a second.
    ticks: u64,
}

fn cpu_usage(pid: u32) -> Result<CpuUsage> {
    let mut wakeups = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        wakeups += line
            .context("no count of switches")?
            .trim()
            .parse::<u64>()?;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(')').context("no command")?.1;
    let times = fields.split_ascii_whitespace().skip(14 - 3).take(2);
    let ticks = times.map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(CpuUsage { wakeups, ticks })
}
