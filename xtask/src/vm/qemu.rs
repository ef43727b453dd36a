//! A virtual machine that runs once: boots a kernel, streams the serial console and waits for the end.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read, Write as _},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{arch::Arch, env};

/// Prefix of the console line on which a guest prints its result, a shell's exit status.
pub(crate) const RESULT: &str = "EGRESS-GUEST-RESULT ";
/// Guests that run at once; each has two virtual processors.
pub(crate) const TOGETHER: usize = 2;
const POLL: Duration = Duration::from_millis(50);
/// Lines of the console that a failure prints.
const TAIL_LINES: usize = 60;

/// Machine to boot.
#[derive(Debug)]
pub(crate) struct Guest<'a> {
    /// Prefix of each printed line of the console, and part of the log's name, `target/xtask/vm-NAME.log`.
    pub(crate) name: &'a str,
    pub(crate) arch: Arch,
    pub(crate) kernel: &'a Path,
    pub(crate) initrd: Option<&'a Path>,
    /// Kernel parameters besides the console.
    pub(crate) parameters: &'a str,
    pub(crate) memory_mib: u32,
    /// Raw images, the first as `/dev/vda`; writes to them are discarded at the end.
    pub(crate) drives: &'a [&'a Path],
    /// More arguments for QEMU.
    pub(crate) arguments: &'a [OsString],
    /// Time after which the guest is killed.
    pub(crate) limit: Duration,
    /// Selects the lines of the console to print; the log has all of them.
    pub(crate) shown: fn(&str) -> bool,
}

/// Result of a guest's run.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Everything on the console.
    pub(crate) console: String,
    pub(crate) log: PathBuf,
    /// Result that the guest printed, if it did.
    pub(crate) result: Option<i32>,
    pub(crate) seconds: f64,
}

/// How many guests run, and the signal that one has ended.
static RUNNING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// The right to run a guest beside others, until it is dropped.
struct Slot;

impl Slot {
    /// Waits until fewer than [`TOGETHER`] guests run.
    fn wait() -> Self {
        let (running, ended) = &RUNNING;
        let running = running.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = ended.wait_while(running, |running| *running >= TOGETHER);
        *waited.unwrap_or_else(PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (running, ended) = &RUNNING;
        *running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ended.notify_one();
    }
}

impl Guest<'_> {
    /// Boots it as soon as not too many others run, and waits for its end.
    ///
    /// # Errors
    /// When QEMU cannot start or the guest exceeds its limit, after printing the end of its console. A guest that reports a failure
    /// is no error here.
    pub(crate) fn run(&self) -> Result<Ran> {
        let log = self.log()?;
        let _slot = Slot::wait();
        let started = Instant::now();
        let mut child = Guard(self.start()?);
        let output = child.0.stdout.take().context("QEMU has no output")?;
        let reader = thread::spawn({
            let (name, log, shown) = (self.name.to_owned(), log.clone(), self.shown);
            move || stream(output, &name, &log, shown)
        });
        let status = self.wait(&mut child.0, started);
        drop(child);
        let console = match reader.join() {
            Ok(console) => console?,
            Err(_panic) => bail!("the thread that reads the console panicked"),
        };
        let ran = Ran {
            result: result(&console),
            console,
            log,
            seconds: started.elapsed().as_secs_f64(),
        };
        if let Err(error) = status {
            ran.print_tail(self.name);
            return Err(error.context(format!("{}; whole log: {}", self.name, ran.log.display())));
        }
        Ok(ran)
    }

    fn log(&self) -> Result<PathBuf> {
        let dir = env::target().join("xtask");
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        Ok(dir.join(format!("vm-{}.log", self.name)))
    }

    /// Starts QEMU through `setpriv`, so that the kernel kills it when the thread that starts it ends.
    fn start(&self) -> Result<Child> {
        let mut command = env::command("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .args(machine(self.arch))
            .args(["-accel", "tcg,thread=multi", "-smp", "2"])
            .args(["-m", &self.memory_mib.to_string()])
            .args(["-display", "none", "-monitor", "none", "-serial", "stdio"])
            .args(["-no-reboot", "-nodefaults"])
            .args(["-device", "virtio-rng-pci"])
            .arg("-kernel")
            .arg(self.kernel)
            .args(["-append", &self.append()]);
        if let Some(initrd) = self.initrd {
            command.arg("-initrd").arg(initrd);
        }
        for drive in self.drives {
            let mut value = OsString::from("if=virtio,format=raw,snapshot=on,file=");
            value.push(drive);
            command.arg("-drive").arg(value);
        }
        command.args(self.arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        command
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))
    }

    /// With `panic=-1` and `-no-reboot`, a kernel panic ends the guest at once. An emulated processor may be too slow for the timer check of old
    /// kernels, hence `no_timer_check`.
    fn append(&self) -> String {
        let console = match self.arch {
            Arch::Amd64 => "ttyS0",
            Arch::Arm64 => "ttyAMA0",
        };
        format!(
            "console={console} panic=-1 no_timer_check {}",
            self.parameters
        )
    }

    fn wait(&self, child: &mut Child, started: Instant) -> Result<()> {
        loop {
            if let Some(status) = child.try_wait().context("cannot wait for QEMU")? {
                if status.success() {
                    return Ok(());
                }
                bail!("QEMU failed ({status})");
            }
            if started.elapsed() >= self.limit {
                bail!("killed: still running after {:?}", self.limit);
            }
            thread::sleep(POLL);
        }
    }
}

impl Ran {
    /// Prints the end of the console.
    pub(crate) fn print_tail(&self, name: &str) {
        println!("    ---- end of the console of {name}");
        let lines: Vec<&str> = self.console.lines().collect();
        for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
            println!("    {line}");
        }
        println!("    ---- whole log: {}", self.log.display());
    }
}

/// Kills and reaps the process when dropped.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // A process that has been waited for is neither killed nor waited for.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// QEMU's own algorithm for pointer authentication is a hundred times faster in emulation than the architecture's.
fn machine(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::Amd64 => &["qemu-system-x86_64", "-M", "pc", "-cpu", "max"],
        Arch::Arm64 => &[
            "qemu-system-aarch64",
            "-M",
            "virt",
            "-cpu",
            "max,pauth-impdef=on",
        ],
    }
}

/// Copies the console to its log, prints the selected lines, and returns all of it.
fn stream(output: impl Read, name: &str, log: &Path, shown: fn(&str) -> bool) -> Result<String> {
    let mut log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut console = String::new();
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line);
        if read.context("cannot read the console")? == 0 {
            return Ok(console);
        }
        log.write_all(&line)?;
        let text = readable(&line);
        if shown(&text) {
            println!("    {name}: {text}");
        }
        console.push_str(&text);
        console.push('\n');
    }
}

/// Removes control characters and escape sequences of firmware and terminals.
fn readable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut kept = String::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        if char == '\u{1b}' {
            // ECMA-48: a sequence ends with a letter.
            while chars.next_if(|char| !char.is_ascii_alphabetic()).is_some() {}
            chars.next();
        } else if !char.is_control() || char == '\t' {
            kept.push(char);
        }
    }
    kept.trim_end().to_owned()
}

/// Result in the last line that has one; the kernel may print on the same line before it.
fn result(console: &str) -> Option<i32> {
    let mut lines = console.lines().rev();
    lines.find_map(|line| line.split_once(RESULT)?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_the_last_one_that_the_guest_says() {
        let console = format!("{RESULT}3\nno {RESULT}x\n[ 1.0] noise {RESULT}0\nend\n");
        assert_eq!(result(&console), Some(0));
        assert_eq!(result("nothing\n"), None);
    }

    #[test]
    fn a_line_is_kept_without_control_sequences() {
        assert_eq!(readable(b"\x1b[2J\x1b[01;01Hready\r\n"), "ready");
        assert_eq!(readable(b"a\tb \xff\n"), "a\tb \u{fffd}");
    }
}
