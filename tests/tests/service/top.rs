//! `top` in a pipe and on a terminal.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{iter, thread};

use anyhow::{Context as _, Result, ensure};
use lab::Lab;
use lab::fixtures::enforcer::Enforcer;
use lab::fixtures::process_env::ProcessEnv;
use serde_json::Value;

/// Time until a text must be on the terminal.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn in_a_pipe_it_prints_the_denials_and_names() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    enforcer.await_names()?;
    assert!(!lab.exfiltrate_curl(&lab.device())?.ok);
    let top = enforcer.json(["top"])?;
    assert_eq!(top["enforcing"], true, "{top:#}");
    let denial = &top["denials"][0];
    assert_eq!(denial["destination"], "203.0.113.66:443", "{top:#}");
    assert_eq!(denial["reason"], "storage");
    assert!(denial["last-minute"].as_u64() >= Some(1), "{top:#}");
    let name = &top["names"][0];
    assert_eq!(name["name"], "contoso.azurecr.io");
    assert!(name["address"].is_string() && name["first-seen"].is_string());

    let filtered = enforcer.json(["top", "--filter", "NO SUCH TEXT"])?;
    assert_eq!(filtered["denials"].as_array().map(Vec::len), Some(0));
    let twice = enforcer
        .cli(["top", "--iterations", "2", "--interval", "1"])?
        .success()?;
    let lines = twice.lines().filter(|line| line.ends_with(": enforcing"));
    assert_eq!(lines.count(), 2, "{twice}");
    Ok(())
}

#[test]
fn on_a_terminal_it_follows_the_denials_and_shows_the_exception_for_one() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    enforcer.await_names()?;
    let mut terminal = Terminal::start(&enforcer)?;
    terminal.await_text(": enforcing")?;
    assert!(!lab.exfiltrate_curl(&lab.device())?.ok);
    terminal.await_text("203.0.113.66:443")?;
    terminal.press("\t")?;
    terminal.await_text("contoso.eastus.data.azurecr.io")?;

    let count = |enforcer: &Enforcer| -> Result<Value> {
        let top = enforcer.json(["top"])?;
        Ok(top["denials"][0]["count"].clone())
    };
    let before = count(&enforcer)?;
    enforcer.kill()?;
    terminal.await_text("not updated: the daemon does not run")?;
    enforcer.run()?;
    terminal.forget();
    terminal.await_text(": enforcing")?;
    assert_eq!(count(&enforcer)?, before, "each denial counts once");

    terminal.press("\t")?;
    terminal.press("\r")?;
    terminal.await_text("[[exception]]")?;
    terminal.forget();
    terminal.press("q")?;
    let left = terminal.end()?;
    // The exception is on the terminal after the other screen was left.
    let (_screen, after) = left
        .split_once("\u{1b}[?1049l")
        .context("the screen was not left")?;
    assert!(after.contains("[[exception]]"), "{after}");
    Ok(())
}

/// `top` on a terminal of script(1), from util-linux.
struct Terminal {
    script: Child,
    output: mpsc::Receiver<Vec<u8>>,
    shown: Vec<u8>,
}

impl Terminal {
    fn start(enforcer: &Enforcer) -> Result<Self> {
        let command = enforcer.command(["top", "--interval", "1"])?;
        let words = iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| format!("'{}'", word.display())).collect();
        let line = format!("stty rows 40 columns 200; exec {}", words.join(" "));
        let mut script = ProcessEnv::default()
            .command("script")
            .args([
                "--quiet",
                "--flush",
                "--return",
                "--command",
                &line,
                "/dev/null",
            ])
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start script(1)")?;
        let mut from = script.stdout.take().context("no output")?;
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            script,
            output,
            shown: Vec::new(),
        })
    }

    fn press(&mut self, keys: &str) -> Result<()> {
        let keyboard = self.script.stdin.as_mut().context("no keyboard")?;
        keyboard.write_all(keys.as_bytes())?;
        Ok(keyboard.flush()?)
    }

    /// Waits for a text since the start or [`Self::forget`].
    fn await_text(&mut self, text: &str) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            let shown = String::from_utf8_lossy(&self.shown);
            if shown.contains(text) {
                return Ok(());
            }
            let left = end.saturating_duration_since(Instant::now());
            let more = self.output.recv_timeout(left);
            self.shown
                .extend(more.with_context(|| format!("no {text:?}: {shown}"))?);
        }
    }

    fn forget(&mut self) {
        self.shown.clear();
        while self.output.try_recv().is_ok() {}
    }

    /// Waits for the end, and returns what was shown since [`Self::forget`].
    fn end(mut self) -> Result<String> {
        let end = Instant::now() + LIMIT;
        while let Ok(more) = self
            .output
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            self.shown.extend(more);
        }
        ensure!(self.script.wait()?.success(), "top failed");
        Ok(String::from_utf8_lossy(&self.shown).into_owned())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves it running.
        drop(self.script.kill());
        drop(self.script.wait());
    }
}
