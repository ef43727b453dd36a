//! The JSON schema of the documents that other programs read, from the structs that are serialized.

use std::collections::BTreeMap;
use std::fs;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::cli::check::InvalidConfig;
use crate::cli::check::diff::Diff;
use crate::cli::check::plan::Plan;
use crate::cli::doctor::{HostReport, RegistryReport};
use crate::cli::endpoints::Endpoints;
use crate::cli::events::top::Sum;
use crate::cli::events::verify::VerifiedText;
use crate::cli::explain::explanation::Explanation;
use crate::cli::status::StatusReport;
use crate::cli::suggest::seen::Suggestion;
use crate::cli::tags::TagsReport;
use crate::cli::tags::imported::Imported;
use crate::cli::top::overview::Overview;
use crate::cli::unload::UnloadResult;
use crate::core::{EventRecord, Status};
use crate::documents::{assert_up_to_date, workspace};
use crate::prove::Report as Proof;
use crate::report::Digest;

/// The file with the schema.
const FILE: &str = "docs/schema.json";
/// Version of the documents. Within one version fields are only added, so that a reader ignores what it does not know; raise it to remove a field or to
/// change its type.
pub(super) const VERSION: u32 = 1;

/// The types of all documents.
pub(super) struct Documents {
    /// The schema of what each command prints with `--json`, or of the response to a request on the control socket.
    pub(super) sources: Map<String, Value>,
    /// The schema of each type by its name.
    pub(super) definitions: BTreeMap<String, Map<String, Value>>,
}

/// Returns the types of all documents.
pub(super) fn documents() -> Documents {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator = settings.into_generator();
    let mut sources = Map::new();
    for (source, schema) in [
        ("GET /status", generator.subschema_for::<Status>()),
        ("status", generator.subschema_for::<StatusReport>()),
        ("events", generator.subschema_for::<Vec<EventRecord>>()),
        ("events top", generator.subschema_for::<Vec<Sum>>()),
        ("events verify", generator.subschema_for::<VerifiedText>()),
        ("explain", generator.subschema_for::<Explanation>()),
        ("check", generator.subschema_for::<Plan>()),
        (
            "check (invalid)",
            generator.subschema_for::<InvalidConfig>(),
        ),
        ("check --diff", generator.subschema_for::<Diff>()),
        ("doctor", generator.subschema_for::<HostReport>()),
        (
            "doctor --registry",
            generator.subschema_for::<RegistryReport>(),
        ),
        ("prove", generator.subschema_for::<Proof>()),
        ("report", generator.subschema_for::<Digest>()),
        ("suggest", generator.subschema_for::<Suggestion>()),
        ("top", generator.subschema_for::<Overview>()),
        ("endpoints", generator.subschema_for::<Endpoints>()),
        ("tags show", generator.subschema_for::<TagsReport>()),
        ("tags import", generator.subschema_for::<Imported>()),
        ("unload", generator.subschema_for::<UnloadResult>()),
    ] {
        sources.insert(source.to_owned(), schema.into());
    }
    let definitions = generator.take_definitions(true).into_iter();
    let schemas = definitions.map(|(name, mut schema)| {
        plain(&mut schema);
        let Value::Object(schema) = schema else {
            panic!("{name} is no object");
        };
        (name, schema)
    });
    Documents {
        sources,
        definitions: schemas.collect(),
    }
}

/// Replaces the links of doc comments by their text.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text
                    .replace("[`enforcer_common::", "[`")
                    .replace(['[', ']'], "")
                    .replace('\n', " ");
            }
            object.values_mut().for_each(plain);
        }
        Value::Array(values) => values.iter_mut().for_each(plain),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn document() -> Value {
    let documents = documents();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:egress-enforcer:json:{VERSION}"),
        "title": "JSON of egress-enforcer",
        "description": "sources: what each command prints with --json, and responses of the control socket. \
            EventRecord is also a line of `events --follow --json`, and a line of the event log without its hash. \
            Within one version fields are only added: ignore those that you do not know.",
        "sources": documents.sources,
        "$defs": documents.definitions,
    })
}

/// Returns what the schema `new` no longer promises of `old`: each property that is gone, may be absent, or has another type.
fn broken(old: &Value, new: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    let sources = old["sources"].as_object().into_iter().flatten();
    let changed = sources.filter(|(source, schema)| new["sources"][source] != **schema);
    broken.extend(changed.map(|(source, _)| source.clone()));
    let types = old["$defs"].as_object().into_iter().flatten();
    for (name, old) in types {
        let new = &new["$defs"][name];
        let gone = words(old)
            .into_iter()
            .filter(|word| !words(new).contains(word));
        broken.extend(gone.map(|word| format!("{name}: {word}")));
        let properties = old["properties"].as_object().into_iter().flatten();
        for (property, old_schema) in properties {
            let new_schema = &new["properties"][property];
            let kept = |key: &str| old_schema[key] == new_schema[key];
            let is_same = [
                "type",
                "format",
                "$ref",
                "items",
                "anyOf",
                "additionalProperties",
            ]
            .into_iter()
            .all(kept);
            if !is_same || (is_required(old, property) && !is_required(new, property)) {
                broken.push(format!("{name}.{property}"));
            }
        }
    }
    broken
}

/// Returns the words of an enumeration.
fn words(schema: &Value) -> Vec<&Value> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten();
    listed
        .chain(described.filter_map(|one| one.get("const")))
        .collect()
}

fn is_required(schema: &Value, property: &str) -> bool {
    let required = schema["required"].as_array();
    required.is_some_and(|names| names.iter().any(|name| name == property))
}

#[test]
fn the_schema_is_up_to_date_and_breaks_no_reader() {
    let new = document();
    let old = fs::read_to_string(workspace(FILE)).unwrap_or_default();
    let old: Value = serde_json::from_str(&old).unwrap_or_default();
    if old["$id"] == new["$id"] {
        let broken = broken(&old, &new);
        assert!(
            broken.is_empty(),
            "{broken:?}: raise the version of the schema, and name the change in CHANGELOG.md"
        );
    }
    let text = serde_json::to_string_pretty(&new).unwrap();
    assert_up_to_date(FILE, &format!("{text}\n"));
}

#[test]
fn a_field_that_goes_or_changes_breaks_readers_and_a_new_one_does_not() {
    let of = |properties: Value, required: Value| json!({ "$defs": { "A": { "properties": properties, "required": required } } });
    let old = of(json!({ "a": { "type": "string" } }), json!(["a"]));
    let more = of(
        json!({ "a": { "type": "string" }, "b": { "type": "integer" } }),
        json!(["a", "b"]),
    );
    assert_eq!(broken(&old, &old), [""; 0]);
    assert_eq!(broken(&old, &more), [""; 0]);
    assert_eq!(broken(&more, &old), ["A.b"]);
    let other = of(json!({ "a": { "type": "integer" } }), json!(["a"]));
    assert_eq!(broken(&old, &other), ["A.a"]);
    let optional = of(json!({ "a": { "type": "string" } }), json!([]));
    assert_eq!(broken(&old, &optional), ["A.a"]);
    let word = |word: &str| json!({ "sources": { "a": word }, "$defs": { "A": { "oneOf": [{ "const": word }] } } });
    assert_eq!(broken(&word("x"), &word("y")), ["a", "A: \"x\""]);
}
