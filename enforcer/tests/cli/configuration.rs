//! Configurations: valid, invalid, unreadable.

use std::fs;

use serde_json::Value;

use crate::{GOOD, complaint, configured, run};

#[test]
fn a_valid_configuration_is_printed_as_a_plan() {
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
fn an_error_names_file_line_and_key() {
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
fn each_error_has_one_line_and_none_can_be_forged() {
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
fn a_registry_without_a_domain_is_an_error_with_the_full_name() {
    let directory = tempfile::tempdir().unwrap();
    let line = "run --ephemeral --registry contoso";
    let (code, _, stderr) = run(directory.path(), line);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("\"contoso.azurecr.io\""), "{stderr}");
}

#[test]
fn a_missing_file_makes_the_configuration_invalid() {
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
fn an_unreadable_configuration_ends_with_2() {
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
fn registries_of_the_command_line_need_an_ephemeral_run() {
    let directory = tempfile::tempdir().unwrap();
    let complaint = complaint(directory.path(), "run --registry contoso.azurecr.io", 2);
    assert!(complaint.contains("add --ephemeral"), "{complaint}");
}

#[test]
fn tags_of_the_configuration_are_printed_without_a_daemon() {
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
        complaint.starts_with("new.json: not a complete service-tags file"),
        "{complaint}"
    );
    assert!(!directory.path().join("tags.json").exists());
}

#[test]
fn doctor_names_what_failed_and_its_fix() {
    // Port 9 of this host, where nothing listens.
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
