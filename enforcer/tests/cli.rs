//! The command line from outside: exit codes, what is printed where. Nothing here loads a program into the kernel.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const GOOD: &str = r#"
[[registry]]
login-server = "contoso.azurecr.io"
regions = ["eastus"]
"#;

/// A directory with a configuration whose pins and sockets are nowhere else.
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

/// Exit code, standard output, standard error.
fn run(directory: &Path, line: &str) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command(directory, line).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// The one line on standard error of a command that fails with `code`.
fn complaint(directory: &Path, line: &str, code: i32) -> String {
    let (found, stdout, stderr) = run(directory, line);
    assert_eq!(found, Some(code), "{line}: {stdout}{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{line}: {stderr}");
    let complaint = stderr.strip_prefix("egress-enforcer: ").unwrap();
    complaint.trim_end().to_owned()
}

#[test]
fn a_valid_configuration_is_spelled_out() {
    let directory = configured(GOOD);
    let (code, stdout, stderr) = run(directory.path(), "check --config config.toml");
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(
        stdout.contains("contoso.eastus.data.azurecr.io  data   region eastus"),
        "{stdout}"
    );
    let (code, stdout, _) = run(directory.path(), "check --config config.toml --json");
    let plan: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(plan["valid"], true);
    assert_eq!(plan["allowed"][1]["name"], "contoso.eastus.data.azurecr.io");
    assert!(plan["protected"]["tags"][0]["ipv4-prefixes"].as_u64() > Some(10));
}

#[test]
fn an_invalid_configuration_is_named_by_file_line_and_key() {
    for (text, place) in [
        ("mode = \"off\"\nregistry = []\n", "config.toml:1: mode: "),
        (
            "registry = []\nmodus = \"audit\"\n",
            "config.toml:2: modus: ",
        ),
        (
            "registry = []\n[protect]\ncidrs = [\"10.0.0.1/8\"]\n",
            "config.toml:3: protect.cidrs: ",
        ),
        ("registry = [\n", "config.toml:"),
        (
            "[[registry]]\nlogin-server = \"*.azurecr.io\"\n",
            "config.toml:2: registry.login-server: ",
        ),
    ] {
        let directory = configured(text);
        let complaint = complaint(directory.path(), "check --config config.toml", 1);
        assert!(complaint.starts_with(place), "{complaint}");
    }
}

#[test]
fn every_fault_has_a_line_of_its_own_and_none_is_forged() {
    let text = "registry = []\n[dns]\nlinger = \"1m\\nregistry is fine\\u001b[2J\"\nlearn = 1\n";
    let directory = configured(text);
    let (code, stdout, stderr) = run(directory.path(), "check --config config.toml --json");
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = stderr.lines().collect();
    let [linger, learn] = &lines[..] else {
        panic!("{stderr}");
    };
    assert!(
        linger.starts_with(
            "egress-enforcer: config.toml:3: dns.linger: \"1m\\nregistry is fine\\u{1b}[2J\""
        ),
        "{linger}"
    );
    assert!(
        learn.starts_with("egress-enforcer: config.toml:4: dns.learn: expected true or false"),
        "{learn}"
    );
    let refusal: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(refusal["errors"].as_array().unwrap().len(), 2);
    let (code, _, stderr) = run(directory.path(), "run --config config.toml");
    assert_eq!((code, stderr.lines().count()), (Some(2), 2), "{stderr}");
}

#[test]
fn a_bare_name_on_the_command_line_is_told_whole() {
    let directory = tempfile::tempdir().unwrap();
    let line = "run --ephemeral --registry contoso";
    let (code, _, stderr) = run(directory.path(), line);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("\"contoso.azurecr.io\""), "{stderr}");
}

#[test]
fn what_a_configuration_names_and_is_not_there_makes_it_invalid() {
    for (text, file) in [
        (
            "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\nendpoints-file = \"contoso.json\"\n",
            "contoso.json",
        ),
        (
            "registry = []\n[protect]\nservice-tags = \"tags.json\"\n",
            "tags.json",
        ),
        (
            "registry = []\n[protect]\ntags = [\"Storrage\"]\n",
            "Storrage",
        ),
    ] {
        let directory = configured(text);
        let (code, stdout, stderr) = run(directory.path(), "check --config config.toml --json");
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(file), "{stderr}");
        let refusal: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(refusal["valid"], false);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_no_verdict() {
    let directory = configured(GOOD);
    for line in [
        "check",
        "status",
        "explain 20.38.98.100",
        "tags show",
        "unload",
        "run",
    ] {
        let line = format!("{line} --config missing.toml");
        let complaint = complaint(directory.path(), &line, 2);
        assert!(
            complaint.starts_with("missing.toml: cannot be read"),
            "{complaint}"
        );
    }
}

#[test]
fn without_anything_loaded_nothing_is_explained() {
    let directory = configured(GOOD);
    for line in [
        "explain 20.38.98.100",
        "explain contoso.azurecr.io --json",
        "explain ::1 --unit a.service",
    ] {
        let complaint = complaint(directory.path(), &format!("{line} --config config.toml"), 2);
        assert!(complaint.contains("nothing is loaded"), "{complaint}");
        assert!(complaint.contains("start the daemon"), "{complaint}");
    }
}

#[test]
fn without_anything_loaded_nothing_is_enforced() {
    let directory = configured(GOOD);
    let (code, stdout, _) = run(directory.path(), "status --config config.toml");
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.starts_with("not enforcing: "), "{stdout}");
    let (code, stdout, _) = run(directory.path(), "unload --config config.toml");
    assert_eq!(code, Some(0));
    assert_eq!(stdout, "nothing was enforced; nothing is loaded\n");
    assert!(
        !directory.path().join("pins").exists(),
        "unload makes nothing"
    );
}

#[test]
fn a_running_daemon_is_found_while_its_file_is_invalid() {
    let directory = configured("mode = \"off\"\n");
    let complaint = complaint(directory.path(), "endpoints --config config.toml", 2);
    let socket = directory.path().join("control.sock");
    assert!(
        complaint.contains(&socket.display().to_string()),
        "{complaint}"
    );
}

#[test]
fn without_a_daemon_there_are_no_events_and_no_endpoints() {
    let directory = configured(GOOD);
    for line in ["events", "events --follow", "endpoints"] {
        let complaint = complaint(directory.path(), &format!("{line} --config config.toml"), 2);
        assert!(complaint.contains("start it"), "{complaint}");
    }
}

#[test]
fn a_daemon_that_breaks_off_is_no_verdict() {
    let directory = configured(GOOD);
    let listener = UnixListener::bind(directory.path().join("control.sock")).unwrap();
    let served = std::thread::spawn(move || drop(listener.accept().unwrap()));
    complaint(directory.path(), "status --config config.toml", 2);
    served.join().unwrap();
}

#[test]
fn the_tags_of_the_configuration_are_shown_without_a_daemon() {
    let directory = configured(GOOD);
    let (code, stdout, _) = run(directory.path(), "tags show --config config.toml --json");
    let tags: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(0));
    assert_eq!(tags["in-force"], false);
    assert_eq!(tags["source"], "the bundle in the binary");
}

#[test]
fn a_damaged_service_tags_file_is_not_imported() {
    let directory = configured("registry = []\n[protect]\nservice-tags = \"tags.json\"\n");
    fs::write(directory.path().join("new.json"), "{\"changeNumber\": 500,").unwrap();
    let line = "tags import new.json --force --config config.toml";
    let complaint = complaint(directory.path(), line, 2);
    assert!(
        complaint.starts_with("new.json: not a whole service-tags file"),
        "{complaint}"
    );
    assert!(!directory.path().join("tags.json").exists());
}

#[test]
fn registries_of_the_command_line_need_an_ephemeral_run() {
    let directory = tempfile::tempdir().unwrap();
    let complaint = complaint(directory.path(), "run --registry contoso.azurecr.io", 2);
    assert!(complaint.contains("add --ephemeral"), "{complaint}");
}

#[test]
fn a_command_line_that_cannot_be_read_ends_with_2() {
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
fn help_and_version_are_answers() {
    let directory = tempfile::tempdir().unwrap();
    for line in ["--help", "--version", "explain --help"] {
        let (code, stdout, stderr) = run(directory.path(), line);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{line}");
        assert!(stdout.contains("egress-enforcer"), "{line}: {stdout}");
    }
}

#[test]
fn each_shell_gets_its_completions() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let (code, stdout, _) = run(directory.path(), &format!("completions {shell}"));
        assert_eq!(code, Some(0), "{shell}");
        assert!(stdout.contains("explain"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = command(directory.path(), "completions bash");
    let output = command.stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}

#[test]
fn doctor_names_what_failed_and_its_fix() {
    // Port 9 of this host, where nobody answers.
    let text = "registry = []\n[protect]\nservice-tags = \"tags.json\"\n[dns]\nservers = [\"127.0.0.1:9\"]\n";
    let directory = configured(text);
    let (code, stdout, _) = run(directory.path(), "doctor --config config.toml --json");
    let diagnosis: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(code, Some(1));
    let checks = diagnosis["checks"].as_array().unwrap();
    for (what, found) in [
        ("configuration", "tags.json: cannot be read"),
        ("resolver 127.0.0.1:9", ""),
    ] {
        let check = checks.iter().find(|check| check["id"] == what).unwrap();
        assert_eq!(check["outcome"], "failed");
        assert!(
            check["message"].as_str().unwrap().contains(found),
            "{check}"
        );
        assert!(!check["fix"].as_str().unwrap().is_empty());
    }
}
