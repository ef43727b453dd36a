//! The real daemon in a lab: started, killed, asked and cleaned up after.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::{
    Lab,
    cgroup::Cgroup,
    place::Place,
    process::{Finished, POLL, Server, run},
};

/// Names the binary under test; `./x test` and `./x demo` set it.
const BINARY: &str = "EGRESS_ENFORCER_BIN";
/// Names the same program with other layouts, for the tests of upgrades; `./x test` sets it.
const NEXT_BINARY: &str = "EGRESS_ENFORCER_BIN_NEXT";
/// The longest that a start or a command may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The daemon in the device's network, governing the device's cgroup, with pins, state and socket of the lab's own.
#[derive(Debug)]
pub struct Enforcer {
    server: Option<Server>,
    place: Place,
    directory: PathBuf,
    logs: PathBuf,
    starts: u32,
    cgroup: Cgroup,
}

impl Enforcer {
    /// Prepares the configuration: contoso with `regions`, the lab's service tags, and `more` at its end. Starts nothing.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn prepare(lab: &Lab, regions: &[&str], more: &str) -> Result<Self> {
        let cgroup = lab.cgroup().child("enforcer")?;
        let directory = lab.dir().join("enforcer");
        fs::create_dir_all(&directory)?;
        let enforcer = Self {
            server: None,
            place: lab.device_in(&cgroup),
            logs: lab.dir().to_owned(),
            directory,
            starts: 0,
            cgroup,
        };
        enforcer.configure(&configuration(lab, &enforcer.directory, regions, more))?;
        Ok(enforcer)
    }

    /// As [`Enforcer::prepare`], and starts it.
    ///
    /// # Errors
    /// When it does not come to enforce; the error holds its log.
    pub fn start(lab: &Lab, regions: &[&str], more: &str) -> Result<Self> {
        let mut enforcer = Self::prepare(lab, regions, more)?;
        enforcer.run()?;
        Ok(enforcer)
    }

    /// Has the daemon and its commands run in `cgroup`, in the governed part of the tree for example.
    pub fn move_to(&mut self, cgroup: Cgroup) {
        self.place = self.place.clone().in_cgroup(&cgroup);
        self.cgroup = cgroup;
    }

    /// Has the daemon and its commands see `source` at `target`.
    ///
    /// # Errors
    /// When `target` does not exist.
    pub fn lay_over(&mut self, source: &Path, target: &Path) -> Result<()> {
        self.place = self.place.clone().with_bind(source, target)?;
        Ok(())
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.directory.join("config.toml")
    }

    /// The directory of the state file.
    pub fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// The directory of the control socket.
    pub fn runtime(&self) -> PathBuf {
        self.directory.join("run")
    }

    /// Writes another configuration; the daemon takes it on [`Enforcer::signal`] with `SIGHUP`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn configure(&self, text: &str) -> Result<()> {
        fs::write(self.config(), text).context("write the configuration")
    }

    /// Replaces `old`, which has to stand in the configuration once, by `new`.
    ///
    /// # Errors
    /// When it does not, or the file cannot be written.
    pub fn edit(&self, old: &str, new: &str) -> Result<()> {
        let text = fs::read_to_string(self.config()).context("read the configuration")?;
        ensure!(
            text.matches(old).count() == 1,
            "{old:?} does not stand once in the configuration:\n{text}"
        );
        self.configure(&text.replace(old, new))
    }

    /// Starts the daemon and waits until it answers on its socket; it enforces before it does.
    ///
    /// # Errors
    /// When it ends or does not answer; the error holds its log.
    pub fn run(&mut self) -> Result<()> {
        self.run_as(self.command(["run"])?)
    }

    /// As [`Enforcer::run`], by a command of one's own: another binary, other arguments or variables.
    ///
    /// # Errors
    /// As [`Enforcer::run`].
    pub fn run_as(&mut self, command: Command) -> Result<()> {
        self.starts += 1;
        let name = format!("enforcer-{}", self.starts);
        let mut server = Server::start(&name, command, &self.logs)?;
        server.await_ready(LIMIT, || self.told().is_ok())?;
        self.server = Some(server);
        Ok(())
    }

    /// `egress-enforcer ARGUMENTS --config …`, in the device's network and outside the governed cgroup.
    ///
    /// # Errors
    /// When the binary is not named.
    pub fn command<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Command> {
        Ok(self.command_of(&binary()?, arguments))
    }

    /// As [`Enforcer::command`], of another binary.
    pub fn command_of<A: AsRef<OsStr>>(
        &self,
        binary: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut command = self.place.command(binary);
        command.args(arguments).arg("--config").arg(self.config());
        command
    }

    /// Runs a command of the command line to its end.
    ///
    /// # Errors
    /// When it cannot be run. A command that fails is a result.
    pub fn ask<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Finished> {
        run(self.command(arguments)?, LIMIT)
    }

    /// What a command prints with `--json`, whatever its exit code.
    ///
    /// # Errors
    /// When it cannot be run or prints no JSON.
    pub fn json<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Value> {
        let mut command = self.command(arguments)?;
        command.arg("--json");
        let finished = run(command, LIMIT)?;
        serde_json::from_str(&finished.stdout)
            .with_context(|| format!("no JSON: {}{}", finished.stdout, finished.stderr))
    }

    /// The daemon's status.
    ///
    /// # Errors
    /// When the daemon does not answer.
    pub fn status(&self) -> Result<Value> {
        let finished = run(
            {
                let mut command = self.command(["status", "--json"])?;
                command.env_remove("RUST_BACKTRACE");
                command
            },
            LIMIT,
        )?;
        let mut report: Value = serde_json::from_str(&finished.stdout).context(finished.stderr)?;
        match report.get_mut("daemon").map(Value::take) {
            Some(status @ Value::Object(_)) => Ok(status),
            _ => bail!("no daemon answers"),
        }
    }

    /// Asks for the status until `wanted` holds of it, at most 20 s.
    ///
    /// # Errors
    /// When it never does: `what`, the last status and the log.
    pub fn await_status(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let status = self.status();
            if let Ok(status) = &status
                && wanted(status)
            {
                return Ok(status.clone());
            }
            if Instant::now() >= deadline {
                bail!("not within {LIMIT:?}: {what}: {status:#?}\n{}", self.log());
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until every name of the registries has an address.
    ///
    /// # Errors
    /// As [`Enforcer::await_status`].
    pub fn await_names(&self) -> Result<Value> {
        self.await_status("every name has an address", |status| {
            let registries = status["registries"].as_array().into_iter().flatten();
            let mut names = registries
                .flat_map(|registry| registry["names"].as_array())
                .flatten();
            names.all(|name| {
                name["addresses"]
                    .as_array()
                    .is_some_and(|found| !found.is_empty())
            })
        })
    }

    /// The daemon's process id.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self) -> Result<u32> {
        Ok(self
            .server
            .as_ref()
            .context("the daemon does not run")?
            .pid())
    }

    /// Sends a signal to the daemon.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, signal: libc::c_int) -> Result<()> {
        let pid = libc::pid_t::try_from(self.pid()?)?;
        // SAFETY: kill(2) takes two integers; the child is not reaped while `server` holds it.
        if unsafe { libc::kill(pid, signal) } != 0 {
            bail!(
                "cannot signal the daemon: {}",
                std::io::Error::last_os_error()
            );
        }
        Ok(())
    }

    /// Kills the daemon with `SIGKILL`: nothing of it is left but its pins.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(libc::SIGKILL)?;
        self.server = None;
        Ok(())
    }

    /// Sends the daemon a signal that ends it, and waits until it has ended.
    ///
    /// # Errors
    /// When it does not run or does not end.
    pub fn end(&mut self, signal: libc::c_int) -> Result<ExitStatus> {
        self.signal(signal)?;
        let mut server = self.server.take().context("the daemon does not run")?;
        server.wait(LIMIT)?.context("the daemon does not end")
    }

    /// What the daemon logged since its last start.
    pub fn log(&self) -> String {
        let path = self.logs.join(format!("enforcer-{}.log", self.starts));
        fs::read_to_string(path).unwrap_or_default()
    }
}

/// The binary under test.
///
/// # Errors
/// When it is not named.
pub fn binary() -> Result<PathBuf> {
    named(BINARY)
}

/// The binary of a version with other layouts than [`binary`]'s.
///
/// # Errors
/// When it is not named.
pub fn next_binary() -> Result<PathBuf> {
    named(NEXT_BINARY)
}

fn named(variable: &str) -> Result<PathBuf> {
    let binary = env::var_os(variable).with_context(|| {
        format!(
            "{variable} is not set: run this through ./x test, which builds the binary and names it"
        )
    })?;
    Ok(PathBuf::from(binary))
}

/// A configuration for contoso in the lab, with `more` at its end.
pub fn configuration(lab: &Lab, directory: &Path, regions: &[&str], more: &str) -> String {
    let regions: Vec<String> = regions.iter().map(|region| format!("{region:?}")).collect();
    format!(
        r#"scope = {scope:?}

[protect]
service-tags = {tags:?}

[[registry]]
login-server = "contoso.azurecr.io"
regions = [{regions}]

[dns]
linger = "15m"

[paths]
pins = {pins:?}
state = {state:?}
runtime = {runtime:?}

{more}
"#,
        scope = lab.device_cgroup().path(),
        tags = lab.world().service_tags(),
        regions = regions.join(", "),
        pins = lab.bpffs().join("pins"),
        state = directory.join("state"),
        runtime = directory.join("run"),
    )
}
