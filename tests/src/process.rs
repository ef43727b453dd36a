//! Processes of the lab: started by one thread, ended by their process id, never left behind.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};

/// Between two looks at something that is awaited.
pub(crate) const POLL: Duration = Duration::from_millis(5);

/// What a finished command left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Its standard error, invalid UTF-8 replaced.
    pub stderr: String,
    /// From before the start to after the end.
    pub duration: Duration,
}

impl Finished {
    /// Its exit code; `None` when a signal ended it.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// What a command said that ended with exit code 2: one line on standard error, and nothing else.
    ///
    /// # Errors
    /// When it ended otherwise or said anything else.
    pub fn refusal(&self) -> Result<&str> {
        let one_line = self.stderr.lines().count() == 1 && self.stdout.is_empty();
        if self.code() != Some(2) || !one_line {
            bail!("not refused in one line: {self:?}");
        }
        Ok(self.stderr.trim_end())
    }

    /// The standard output of a command that succeeded.
    ///
    /// # Errors
    /// When the command failed: its status and what it said.
    pub fn success(self) -> Result<String> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        Err(anyhow!(
            "{}: {} {}",
            self.status,
            self.stderr.trim(),
            self.stdout.trim()
        ))
    }
}

/// Runs a command of [`crate::place::Place::command`] to its end, at most `limit` long.
///
/// # Errors
/// When it cannot start, or is killed because it takes longer than `limit`.
pub fn run(command: Command, limit: Duration) -> Result<Finished> {
    run_with_input(command, "", limit)
}

/// As [`run`], with `input` on its standard input.
///
/// # Errors
/// As [`run`].
pub fn run_with_input(mut command: Command, input: &str, limit: Duration) -> Result<Finished> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut stdin = tempfile::tempfile().context("make a file for standard input")?;
    stdin.write_all(input.as_bytes())?;
    stdin.rewind()?;
    let mut stdout = tempfile::tempfile().context("make a file for standard output")?;
    let mut stderr = tempfile::tempfile().context("make a file for standard error")?;
    command
        .stdin(stdin)
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?);
    let start = Instant::now();
    let mut running = match Running::start(&name, command) {
        Ok(running) => running,
        Err(error) => return Err(error.context(contents(&mut stderr)?)),
    };
    let Some(status) = running.wait(limit)? else {
        bail!(
            "{name} took longer than {limit:?}: {}",
            contents(&mut stderr)?.trim()
        );
    };
    let duration = start.elapsed();
    Ok(Finished {
        status,
        stdout: contents(&mut stdout)?,
        stderr: contents(&mut stderr)?,
        duration,
    })
}

fn contents(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A process with its process group; killed and reaped when dropped.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
}

impl Running {
    /// Starts a command of [`crate::place::Place::command`]; `name` is for messages.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, command: Command) -> Result<Self> {
        let child = spawn(command).with_context(|| format!("start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, at most `limit`; `None` when it still runs.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().context("wait for a child")? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(POLL);
        }
    }

    /// Sends it a signal (signal(7)).
    ///
    /// # Errors
    /// When it has ended already.
    pub fn signal(&self, signal: libc::c_int) -> Result<()> {
        let pid = libc::pid_t::try_from(self.pid()).context("a process id fits pid_t")?;
        // SAFETY: kill(2) takes two integers; the child is not reaped, so its id is still its own.
        crate::place::check(unsafe { libc::kill(pid, signal) })
            .with_context(|| format!("signal {}", self.name))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        if let Ok(group) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: kill(2) takes two integers; the group leader is our unreaped child.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            complain(&format!("end {}: {error}", self.name));
        }
    }
}

/// A server of the lab with its log.
#[derive(Debug)]
pub struct Server {
    running: Running,
    log: PathBuf,
}

impl Server {
    /// Starts `command` with its output in `<logs>/<name>.log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(name: &str, mut command: Command, logs: &Path) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("make {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        Ok(Self {
            running: Running::start(name, command)?,
            log,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Waits for its end, at most `limit`; `None` when it still runs.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        self.running.wait(limit)
    }

    /// Polls `is_ready` until it says so, at most `limit`.
    ///
    /// # Errors
    /// When the server ends or is not ready in time; the error holds the end of its log.
    pub fn await_ready(&mut self, limit: Duration, is_ready: impl Fn() -> bool) -> Result<()> {
        let deadline = Instant::now() + limit;
        while !is_ready() {
            if let Some(status) = self.running.wait(Duration::ZERO)? {
                bail!(
                    "{} ended ({status}):\n{}",
                    self.running.name,
                    self.log_tail()
                );
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} not ready in {limit:?}:\n{}",
                    self.running.name,
                    self.log_tail()
                );
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        log_tail(&self.log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            complain(&format!(
                "end of the log of {}:\n{}",
                self.running.name,
                self.log_tail()
            ));
        }
    }
}

/// The last 20 lines of a log.
pub(crate) fn log_tail(log: &Path) -> String {
    let log = fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Whether something accepts TCP connections at `address`, in the calling thread's network.
pub(crate) fn accepts(address: SocketAddr) -> bool {
    std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

/// Reports a failure where no error can be returned.
pub(crate) fn complain(message: &str) {
    // A closed stderr leaves nobody to tell.
    drop(writeln!(io::stderr(), "lab: {message}"));
}

/// The kernel ties "die with the parent" to the thread that forked, so that thread never ends.
pub(crate) fn spawn(command: Command) -> io::Result<Child> {
    let (answer, child) = mpsc::sync_channel(1);
    let ended = || io::Error::other("the lab's spawning thread has ended");
    spawner()?
        .send((command, answer))
        .map_err(|_unsent| ended())?;
    child.recv().map_err(|_closed| ended())?
}

type Request = (Command, mpsc::SyncSender<io::Result<Child>>);

/// The thread that makes all children. It keeps the network namespace of its first user.
pub(crate) fn spawner() -> io::Result<&'static mpsc::Sender<Request>> {
    static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    if let Some(sender) = SPAWNER.get() {
        return Ok(sender);
    }
    let (sender, requests) = mpsc::channel::<Request>();
    thread::Builder::new()
        .name("lab-spawner".to_owned())
        .spawn(move || {
            for (mut command, answer) in requests {
                if let Err(mpsc::SendError(Ok(mut orphan))) = answer.send(command.spawn()) {
                    drop(orphan.kill().and_then(|()| orphan.wait()));
                }
            }
        })?;
    Ok(SPAWNER.get_or_init(|| sender))
}
