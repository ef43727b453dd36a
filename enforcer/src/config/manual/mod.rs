//! egress-enforcer.toml(5), from the doc comments and attributes of the structs that serde parses.

mod schema;

use std::path::Path;

use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use self::schema::{Key, Section, file, sections};
use super::{Config, Mode, parse};
use crate::documents::assert_up_to_date;

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
    page.text(text(
        "The file names the Azure Container Registries that stay reachable from this host, and the protected destinations. It is \
         TOML, in UTF-8 or UTF-16. Unknown keys are errors, and every error of the file is reported with its line and key; the policy \
         in force stays. `egress-enforcer check` validates the file, prints its effect, and warns of what is valid but probably not \
         meant; a running daemon reads it again on SIGHUP.",
    ));
    page.control("PP", []);
    page.text([roman(
        "Relative files are relative to the directory of this file. A duration is text such as \"30s\", \"15m\", \"12h\" or \"90d\". \
         A prefix is exact: no bit after its length is set.",
    )]);
    for section in &sections() {
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

fn describe(page: &mut Roff, section: &Section) {
    let name = &section.name;
    let heading = match (name.as_str(), section.is_list) {
        ("", _) => "TOP OF THE FILE".to_owned(),
        (_, true) => format!("[[{name}]]"),
        (_, false) => format!("[{name}]"),
    };
    page.control("SH", [heading.as_str()]);
    page.text(text(&section.about));
    for key in &section.keys {
        page.control("TP", []);
        page.text([bold(&*key.name), roman(" = "), italic(&*key.kind)]);
        let mut lines = key.about.lines();
        page.text(text(lines.next().unwrap_or_default()));
        if !key.variants.is_empty() {
            describe_variants(page, &key.variants);
        }
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.extend(key.default.iter().map(|value| format!("Default: {value}.")));
        if key.is_required {
            lines.push("Required.".to_owned());
        }
        assert_eq!(
            lines.len(),
            1,
            "{name}.{}: state its default once",
            key.name
        );
        lines.push(format!("Example: {} = {}", key.name, key.example));
        for line in lines {
            page.control("br", []);
            page.text(text(&line));
        }
    }
}

fn describe_variants(page: &mut Roff, variants: &[(String, String)]) {
    page.control("RS", []);
    for (value, about) in variants {
        page.control("TP", []);
        page.text([italic(&**value)]);
        page.text(text(about));
    }
    page.control("RE", []);
    page.control("IP", []);
}

/// Returns text in which code is bold.
fn text(doc: &str) -> Vec<Inline> {
    let parts = doc.split('`').enumerate();
    let styled = parts.map(|(at, part)| match at % 2 {
        0 => roman(part),
        _ => bold(part),
    });
    styled.collect()
}

fn read(text: &str) -> Result<Config, super::ConfigError> {
    parse(text, Path::new("/etc/x.toml"))
}

#[test]
fn manual_page_matches_the_structs() {
    assert_up_to_date("docs/man/egress-enforcer.toml.5", &page());
}

#[test]
fn every_example_is_valid_and_differs_from_the_default() {
    for section in sections() {
        let without = read(&file(&section.name, "", "")).unwrap();
        for Key {
            name,
            example,
            is_required,
            ..
        } in section.keys
        {
            let with = read(&file(&section.name, &name, &example)).unwrap();
            let differs = is_required || with != without;
            assert!(differs, "{}.{name} = {example}", section.name);
        }
    }
    read(EXAMPLE).unwrap();
}

#[test]
fn every_default_is_the_value_of_an_absent_key() {
    for section in sections() {
        for Key {
            name,
            default,
            is_required,
            ..
        } in section.keys
        {
            let absent = read(&file(&section.name, &name, ""));
            assert_eq!(absent.is_err(), is_required, "{}.{name}", section.name);
            if let Some(value) = default {
                let written = read(&file(&section.name, &name, &value)).unwrap();
                assert_eq!(written, absent.unwrap(), "{}.{name}", section.name);
            }
        }
    }
}

#[test]
fn complete_example_has_every_key() {
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
    for Section {
        name: section,
        keys,
        ..
    } in &sections()
    {
        for Key { name, .. } in keys {
            // It replaces `unit`, whose comment mentions it.
            let is_mentioned = name == "cgroup" && text.contains("or cgroup = ");
            assert!(
                is_mentioned || there.contains(&(section.as_str(), name.as_str())),
                "packaging/config.toml does not show {section}.{name}"
            );
        }
    }
}

#[test]
fn fresh_installation_drops_nothing_and_allows_nothing() {
    let config = read(include_str!("../../../../packaging/etc/config.toml")).unwrap();
    assert_eq!(config.mode, Mode::Audit);
    assert!(config.registries.is_empty() && config.exceptions.is_empty());
}
