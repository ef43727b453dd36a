//! The manual page egress-enforcer-reference(7): reasons, alarms, metrics and JSON, from their definitions.

use clap_mangen::roff::{Roff, bold, italic, roman};
use enforcer_common::Reason;
use serde_json::{Map, Value};

use super::events::entry;
use super::schema::{VERSION, documents};
use crate::control::metrics;
use crate::core::AlarmKind;
use crate::core::test_data::status;
use crate::documents::assert_up_to_date;

const ABOUT: &str = "What other programs read: the words for reasons and alarms, the metrics, and the fields of JSON documents. \
    The fields of events, and those of the journal, are in egress-enforcer(8).";
const METRICS: &str = "Served as OpenMetrics or Prometheus text on the control socket and on the port of [metrics], and printed by \
    egress-enforcer metrics. Counters end in _total.";

fn page() -> String {
    let mut page = Roff::new();
    page.control("TH", ["egress-enforcer-reference", "7"]);
    page.control("SH", ["NAME"]);
    page.text([roman(
        "egress-enforcer-reference - words, metrics and JSON of egress-enforcer",
    )]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(ABOUT)]);
    reasons(&mut page);
    page.control("SH", ["ALARMS"]);
    page.text([roman(
        "The kind of an alarm, in status and its JSON, in EGRESS_ALARM and in the metric egress_enforcer_alarms.",
    )]);
    for kind in AlarmKind::ALL {
        entry(&mut page, bold(kind.word()), kind.about());
    }
    page.control("SH", ["METRICS"]);
    page.text([roman(METRICS)]);
    metrics_of_the_page(&mut page);
    json(&mut page);
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("egress-enforcer"),
        roman("(8), "),
        bold("egress-enforcer.toml"),
        roman("(5)"),
    ]);
    page.to_roff()
}

fn reasons(page: &mut Roff) {
    page.control("SH", ["REASONS"]);
    page.text([roman(
        "Which line of the rule decided: in events, explain, EGRESS_REASON and the label reason.",
    )]);
    for (title, denies) in [("Denied", true), ("Allowed", false)] {
        page.control("SS", [title]);
        let reasons = Reason::ALL.into_iter();
        for reason in reasons.filter(|reason| reason.denies() == denies) {
            entry(page, bold(reason.word()), &sentence(reason.sentence()));
        }
    }
}

/// Returns a text with a capital first letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let rest = letters.as_str().trim_end_matches('.');
    format!("{}{rest}.", first.unwrap_or_default())
}

/// Writes each metric with its kind, its labels and its help.
fn metrics_of_the_page(page: &mut Roff) {
    let text = metrics(&status());
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some((name, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let of_it = lines[at + 1..]
            .iter()
            .take_while(|line| !line.starts_with("# HELP "));
        let of_it: Vec<&&str> = of_it.collect();
        let kind = of_it.iter().find_map(|line| line.strip_prefix("# TYPE "));
        let kind = kind.and_then(|rest| rest.split_once(' ')).unwrap().1;
        page.control("TP", []);
        page.text([bold(name), roman(" "), italic(kind)]);
        let labels = of_it.iter().find_map(|line| labels(line));
        let labels = labels.map_or(String::new(), |labels| format!(" Labels: {labels}."));
        page.text([roman(format!("{help}{labels}"))]);
    }
}

/// Returns the names of the labels in a sample.
fn labels(sample: &str) -> Option<String> {
    let (name, rest) = sample.split_once('{')?;
    let inside = (!name.contains(' ')).then_some(rest)?;
    let names = inside.split("=\"").filter_map(|part| {
        let name = part.rsplit([',', '"']).next()?;
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '_');
        is_name.then_some(name)
    });
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn json(page: &mut Roff) {
    page.control("SH", ["JSON"]);
    page.text([roman(format!(
        "Version {VERSION}; within a version fields are only added, so ignore those that you do not know. The schema (JSON Schema, draft 2020-12) is \
         docs/schema.json in the package's documentation. Times are those of RFC 3339, prefixes are in CIDR notation. A field that can be null may \
         be absent. What each command prints with --json, and the response to GET /status on the control socket:"
    ))]);
    let documents = documents();
    for (source, schema) in &documents.sources {
        entry(page, bold(&**source), &kind(schema));
    }
    page.control("PP", []);
    page.text([roman(
        "A line of events --follow, and a line of the event log without its hash, is an EventRecord: see egress-enforcer(8).",
    )]);
    for (name, schema) in &documents.definitions {
        // egress-enforcer(8) has it.
        if name != "EventRecord" {
            describe(page, name, schema);
        }
    }
}

fn describe(page: &mut Roff, name: &str, schema: &Map<String, Value>) {
    page.control("SS", [name]);
    page.text([roman(text(schema.get("description")))]);
    let properties = schema.get("properties").and_then(Value::as_object);
    for (property, schema) in properties.into_iter().flatten() {
        page.control("TP", []);
        page.text([bold(&**property), roman(" "), italic(kind(schema))]);
        page.text([roman(text(schema.get("description")))]);
    }
    for one in schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let word = one["const"]
            .as_str()
            .or_else(|| one["required"][0].as_str());
        entry(page, bold(word.unwrap()), &text(one.get("description")));
    }
}

fn text(description: Option<&Value>) -> String {
    let text = description.and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no doc comment"))
        .replace('`', "")
}

/// Returns the type that a schema describes.
fn kind(schema: &Value) -> String {
    if schema.is_null() || schema == &Value::Bool(true) {
        return "anything".to_owned();
    }
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    if let Some(either) = schema["anyOf"].as_array() {
        let kinds: Vec<String> = either.iter().map(kind).collect();
        return kinds.join(" or ");
    }
    let one = &schema["type"];
    let types = one.as_array().cloned().unwrap_or_else(|| vec![one.clone()]);
    let words = types.iter().map(|one| match one.as_str() {
        Some("string") if schema["format"] == "date-time" => "time".to_owned(),
        Some("string") => "text".to_owned(),
        Some("integer" | "number") => "number".to_owned(),
        Some("boolean") => "true or false".to_owned(),
        Some("null") => "null".to_owned(),
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") => format!("object of {}", kind(&schema["additionalProperties"])),
        Some(_) | None => panic!("{schema} has no type"),
    });
    words.collect::<Vec<_>>().join(" or ")
}

#[test]
fn the_reference_is_up_to_date() {
    assert_up_to_date("docs/man/egress-enforcer-reference.7", &page());
}

#[test]
fn labels_are_those_of_the_sample() {
    let sample = r#"a_total{hook="egress",reason="a=\"b\",c",verdict="deny"} 3"#;
    assert_eq!(labels(sample).as_deref(), Some("hook, reason, verdict"));
    assert_eq!(labels("a 3"), None);
}
