//! One command of a task: announces it with its usual duration, logs it, and prints the end of the log when it fails.

use std::{
    fs::{self, File},
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::env;

/// Lines of a log that a failure prints.
const TAIL_LINES: usize = 60;
const POLL: Duration = Duration::from_millis(100);
/// Interval of progress lines where output is not a terminal.
const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// A command to run.
pub(crate) struct Step<'a> {
    /// What it does, for the user.
    pub(crate) title: &'a str,
    /// Usual duration on two cores, with nothing built before.
    pub(crate) usual: &'a str,
    /// Name of the log under `target/xtask/`, without extension.
    pub(crate) log: &'a str,
}

impl Step<'_> {
    /// Runs `command` with its output in the log, and returns the log's path.
    ///
    /// # Errors
    /// When the command cannot start, or fails; then the end of its log has been printed.
    pub(crate) fn run(&self, command: &mut Command) -> Result<PathBuf> {
        let log = self.log_path()?;
        println!("==> {} (usually {})", self.title, self.usual);
        let started = Instant::now();
        let status = run_logged(command, &log)?;
        let seconds = started.elapsed().as_secs_f64();
        if !status.success() {
            print_tail(&log);
            bail!(
                "{} failed after {seconds:.1} s ({status}): {}\n  whole log: {}",
                self.title,
                shown(command),
                log.display()
            );
        }
        println!("    done in {seconds:.1} s");
        Ok(log)
    }

    /// Path of the log; creates its directory.
    ///
    /// # Errors
    /// When the directory of logs cannot be made.
    pub(crate) fn log_path(&self) -> Result<PathBuf> {
        let dir = env::target().join("xtask");
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(dir.join(self.log).with_extension("log"))
    }
}

/// Runs a short command in the C locale and returns its standard output.
///
/// # Errors
/// When it cannot start, fails (with its error output), or prints no UTF-8.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = command
        .env("LC_ALL", "C")
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!(
            "{}: {}",
            shown(command),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed no UTF-8"))
}

fn run_logged(command: &mut Command, log: &Path) -> Result<ExitStatus> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdout(file.try_clone()?).stderr(file);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let mut ticker = Ticker::new(log);
    loop {
        if let Some(status) = child.try_wait()? {
            ticker.clear();
            return Ok(status);
        }
        ticker.tick();
        thread::sleep(POLL);
    }
}

/// Progress of a step: on a terminal one line with the time and the log's last line, elsewhere a line a minute.
struct Ticker<'a> {
    log: &'a Path,
    started: Instant,
    terminal: bool,
    shown: u64,
}

impl<'a> Ticker<'a> {
    fn new(log: &'a Path) -> Self {
        Self {
            log,
            started: Instant::now(),
            terminal: io::stdout().is_terminal(),
            shown: 0,
        }
    }

    fn tick(&mut self) {
        let seconds = self.started.elapsed().as_secs();
        let unit = if self.terminal {
            1
        } else {
            SIGN_OF_LIFE.as_secs()
        };
        if seconds / unit == self.shown {
            return;
        }
        self.shown = seconds / unit;
        if self.terminal {
            let last: String = last_lines(self.log, 1).trim().chars().take(64).collect();
            print!("\r\x1b[K    {seconds} s  {last}");
            drop(io::stdout().flush());
        } else {
            println!("    {seconds} s, still running");
        }
    }

    fn clear(&self) {
        if self.terminal {
            print!("\r\x1b[K");
        }
    }
}

/// The command as a user would type it, without the search path.
fn shown(command: &Command) -> String {
    let mut words = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value.filter(|_| name != "PATH") {
            words.push(format!("{}={value:?}", name.display()));
        }
    }
    words.push(command.get_program().display().to_string());
    words.extend(command.get_args().map(|arg| arg.display().to_string()));
    words.join(" ")
}

fn print_tail(log: &Path) {
    println!("    ---- end of {}", log.display());
    for line in last_lines(log, TAIL_LINES).lines() {
        println!("    {line}");
    }
    println!("    ----");
}

fn last_lines(log: &Path, count: usize) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Step = Step {
        title: "a step",
        usual: "no time",
        log: "step-test",
    };

    #[test]
    fn a_failing_command_is_an_error_that_names_the_command_and_its_log() {
        let step = Step {
            log: "step-test-failing",
            ..STEP
        };
        let error = step
            .run(Command::new("sh").args(["-c", "echo why; exit 3"]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("echo why; exit 3"), "{error}");
        assert!(error.contains("step-test-failing.log"), "{error}");
    }

    #[test]
    fn a_command_is_shown_with_what_was_set_for_it() {
        let mut command = Command::new("cargo");
        command
            .args(["clippy", "--locked"])
            .env("PATH", "/bin")
            .env("A", "1")
            .env_remove("B");
        assert_eq!(shown(&command), "A=\"1\" cargo clippy --locked");
    }

    #[test]
    fn the_log_holds_both_streams() {
        let log = STEP
            .run(Command::new("sh").args(["-c", "echo out; echo err >&2"]))
            .unwrap();
        assert_eq!(fs::read_to_string(log).unwrap(), "out\nerr\n");
    }

    #[test]
    fn only_the_last_lines_are_shown() {
        let log = STEP
            .log_path()
            .unwrap()
            .with_file_name("step-test-tail.log");
        fs::write(&log, "1\n2\n3\n").unwrap();
        assert_eq!(last_lines(&log, 2), "2\n3");
        assert_eq!(last_lines(&log, 9), "1\n2\n3");
    }
}
