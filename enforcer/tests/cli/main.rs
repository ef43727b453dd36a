//! The program from outside: exit codes, standard output and standard error. No test loads a program into the kernel.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod configuration;
mod daemon;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const GOOD: &str = r#"
[[registry]]
login-server = "contoso.azurecr.io"
regions = ["eastus"]
"#;

/// Creates a directory with a configuration, whose pins and socket are in the same directory.
fn configured(text: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().display();
    let paths =
        format!("[paths]\npins = \"{base}/pins\"\nstate = \"{base}\"\nruntime = \"{base}\"\n");
    fs::write(
        directory.path().join("config.toml"),
        format!("{text}{paths}"),
    )
    .unwrap();
    directory
}

fn command(directory: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egress-enforcer"));
    command
        .current_dir(directory)
        .args(line.split_ascii_whitespace());
    command
}

/// Runs a command line, and returns exit code, standard output and standard error.
fn run(directory: &Path, line: &str) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(directory, line).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Runs a command line that ends with `code`, and returns its one line on standard error.
fn complaint(directory: &Path, line: &str, code: i32) -> String {
    let (found, stdout, stderr) = run(directory, line);
    assert_eq!(found, Some(code), "{line}: {stdout}{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
    let complaint = stderr.strip_prefix("egress-enforcer: ").unwrap();
    complaint.trim_end().to_owned()
}

#[test]
fn invalid_arguments_end_with_2() {
    let directory = tempfile::tempdir().unwrap();
    for line in [
        "",
        "statsu",
        "check --jsno",
        "explain",
        "explain 1.2.3.4 --port x",
        "run --region eastus",
        "completions tcl",
    ] {
        let (code, stdout, stderr) = run(directory.path(), line);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{line}");
        assert!(
            stderr.contains("--help") || stderr.contains("Usage:"),
            "{line}: {stderr}"
        );
    }
}

#[test]
fn help_and_version_end_with_0() {
    let directory = tempfile::tempdir().unwrap();
    for line in ["--help", "--version", "explain --help"] {
        let (code, stdout, stderr) = run(directory.path(), line);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{line}");
        assert!(stdout.contains("egress-enforcer"), "{line}: {stdout}");
    }
}

#[test]
fn each_shell_has_completions() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let (code, stdout, _) = run(directory.path(), &format!("completions {shell}"));
        assert_eq!(code, Some(0), "{shell}");
        assert!(stdout.contains("explain"), "{shell}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = command(directory.path(), "completions bash");
    let output = command.stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}
