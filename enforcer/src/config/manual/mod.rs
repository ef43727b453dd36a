//! egress-enforcer.toml(5), from one table that is held against what serde reads.

mod keys;

use clap_mangen::roff::{Roff, bold, italic, roman};
use std::path::Path;

use self::Default::{Is, Means, Required};
use self::keys::SECTIONS;
use super::{Config, Mode, parse, raw};
use crate::documents::keep;

struct Section {
    /// As in `[name]`; empty for the keys at the top.
    name: &'static str,
    about: &'static str,
    keys: &'static [Key],
}

/// Name, kind of value, default, an example that is not the default, and what it does.
struct Key(
    &'static str,
    &'static str,
    Default,
    &'static str,
    &'static str,
);

enum Default {
    /// The value, as it would be written.
    Is(&'static str),
    /// What its absence means.
    Means(&'static str),
    /// It has to be there.
    Required,
}

fn page() -> String {
    let mut page = Roff::new();
    page.control("TH", ["egress-enforcer.toml", "5"]);
    page.control("SH", ["NAME"]);
    page.text([roman(
        "egress-enforcer.toml - configuration of egress-enforcer",
    )]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([italic("/etc/egress-enforcer/config.toml")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([
        roman("The file says which Azure Container Registries stay reachable from this host, and what is closed. It is "),
        roman("TOML, in UTF-8 or UTF-16. Unknown keys are errors, and every error of the file is reported with its line and key; what is in force stays. "),
        bold("egress-enforcer check"),
        roman(" validates it, prints what it would do, and warns of what is legal but probably not meant; a running daemon reads it again on SIGHUP."),
    ]);
    page.control("PP", []);
    page.text([roman(
        "Relative files count from the directory of this file. A duration is text such as \"30s\", \"15m\", \"12h\" or \"90d\". \
         A prefix is exact: no bit behind its length is set.",
    )]);
    for section in &SECTIONS {
        describe(&mut page, section);
    }
    page.control("SH", ["EXAMPLES"]);
    page.text([roman(
        "Two registries, and one agent that uploads its logs until a date:",
    )]);
    page.control("PP", []);
    page.control("RS", ["4"]);
    page.control("nf", []);
    for line in EXAMPLE.lines() {
        page.text([roman(line)]);
    }
    page.control("fi", []);
    page.control("RE", []);
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("egress-enforcer"), roman("(8)")]);
    page.to_roff()
}

const EXAMPLE: &str = "\
[[registry]]
login-server = \"contoso.azurecr.io\"
regions = [\"eastus\", \"westus\"]

[[registry]]
login-server = \"fabrikam.azurecr.io\"
endpoints-file = \"fabrikam.json\"

[[exception]]
reason = \"Azure Monitor agent uploads its logs\"
unit = \"azuremonitoragent.service\"
names = [\"contosologs.blob.core.windows.net\"]
until = 2027-01-31T00:00:00Z
";

fn describe(page: &mut Roff, section: &Section) {
    let heading = match section.name {
        "" => "TOP OF THE FILE".to_owned(),
        "registry" | "exception" => format!("[[{}]]", section.name),
        name => format!("[{name}]"),
    };
    page.control("SH", [heading.as_str()]);
    page.text([roman(section.about)]);
    for Key(name, kind, default, example, about) in section.keys {
        page.control("TP", []);
        page.text([bold(*name), roman(" = "), italic(*kind)]);
        page.text([roman(*about)]);
        page.control("br", []);
        page.text([roman(match default {
            Is(value) => format!("Default: {value}."),
            Means(text) => format!("Default: {text}."),
            Required => "Required.".to_owned(),
        })]);
        // `{}` and `[]` tell nothing about a section.
        if !kind.starts_with("section") {
            page.control("br", []);
            page.text([roman(format!("Example: {name} = {example}"))]);
        }
    }
}

const GUID: &str = "\"11111111-1111-1111-1111-111111111111\"";

/// A whole file in which `key` of the section `name` has this value, and nothing stands that need not.
fn file(name: &str, key: &str, value: &str) -> String {
    let mut keys = match name {
        "registry" => vec![("login-server", "\"contoso.azurecr.io\"")],
        "exception" => vec![
            ("reason", "\"r\""),
            ("unit", "\"a.service\""),
            ("cidrs", "[\"198.51.100.0/24\"]"),
            ("names", "[\"a.blob.core.windows.net\"]"),
            ("until", "2027-01-31T00:00:00Z"),
        ],
        "azure" => vec![("tenant-id", GUID), ("client-id", GUID)],
        _ => Vec::new(),
    };
    let replaced = if key == "cgroup" { "unit" } else { key };
    keys.retain(|(there, _)| *there != replaced);
    keys.push((key, value));
    let lines: String = keys
        .iter()
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect();
    match name {
        "" if key == "registry" => lines,
        "" => format!("registry = []\n{lines}"),
        "registry" => format!("[[registry]]\n{lines}"),
        "exception" => format!("registry = []\n[[exception]]\n{lines}"),
        _ => format!("registry = []\n[{name}]\n{lines}"),
    }
}

fn read(text: &str) -> Config {
    parse(text, Path::new("/etc/x.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn the_manual_page_is_made_from_the_table() {
    keep("docs/man/egress-enforcer.toml.5", &page());
}

#[test]
fn serde_reads_the_keys_of_the_table_and_no_others() {
    for section in &SECTIONS {
        let text = file(section.name, "no-such-key", "1");
        let refused = toml::from_str::<raw::RawConfig>(&text).err().unwrap();
        let (_, known) = refused.message().split_once(", expected ").unwrap();
        let mut known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        known.sort_unstable();
        let mut told: Vec<&str> = section.keys.iter().map(|Key(name, ..)| *name).collect();
        told.sort_unstable();
        assert_eq!(known, told, "[{}]", section.name);
    }
}

#[test]
fn every_example_is_valid_and_no_default() {
    for section in &SECTIONS {
        let without = read(&file(section.name, "", ""));
        for Key(name, _, default, example, _) in section.keys {
            let with = read(&file(section.name, name, example));
            if matches!(default, Is(value) if value != example) {
                assert_ne!(with, without, "{}.{name} = {example}", section.name);
            }
        }
    }
    read(EXAMPLE);
}

#[test]
fn every_default_is_what_the_absence_of_the_key_means() {
    for section in &SECTIONS {
        for Key(name, _, default, ..) in section.keys {
            let Is(value) = default else { continue };
            let written = read(&file(section.name, name, value));
            let whole = file(section.name, name, value);
            let absent = whole.replace(&format!("{name} = {value}\n"), "");
            assert_eq!(written, read(&absent), "{}.{name}", section.name);
        }
    }
}

#[test]
fn the_complete_example_has_every_key() {
    let text = include_str!("../../../../packaging/config.toml");
    let mut section = "";
    let mut there = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix('[') {
            section = rest.trim_matches(['[', ']']);
        }
        if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ") {
            there.push((section, key));
        }
    }
    for section in &SECTIONS {
        for Key(name, kind, ..) in section.keys {
            // It stands instead of `unit`, whose comment tells of it.
            let told = *name == "cgroup" && text.contains("or cgroup = ");
            assert!(
                kind.starts_with("section") || told || there.contains(&(section.name, name)),
                "packaging/config.toml does not show {}.{name}",
                section.name
            );
        }
    }
}

#[test]
fn a_fresh_installation_drops_nothing_and_opens_nothing() {
    let config = read(include_str!("../../../../packaging/etc/config.toml"));
    assert_eq!(config.mode, Mode::Audit);
    assert!(config.registries.is_empty() && config.exceptions.is_empty());
}
