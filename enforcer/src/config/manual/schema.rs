//! Sections and keys, from the JSON schema of the structs.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::config::top_level::RawConfig;

/// A section of the file; the keys at the top are one without a name.
pub(super) struct Section {
    /// As in `[name]`.
    pub(super) name: String,
    pub(super) is_list: bool,
    pub(super) about: String,
    pub(super) keys: Vec<Key>,
}

/// A key that is not a section.
pub(super) struct Key {
    pub(super) name: String,
    /// The kind of value, with quotes where TOML has them.
    pub(super) kind: String,
    /// The values of an enumeration, each with its meaning.
    pub(super) variants: Vec<(String, String)>,
    /// What it means, and `Default: ` with the meaning of its absence where that is no value.
    pub(super) about: String,
    /// The default, as TOML.
    pub(super) default: Option<String>,
    pub(super) is_required: bool,
    /// A value other than the default, as TOML.
    pub(super) example: String,
}

/// Returns the sections in the order of the structs.
pub(super) fn sections() -> Vec<Section> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
    });
    let schema = settings
        .into_generator()
        .into_root_schema_for::<RawConfig>();
    let Value::Object(root) = schema.to_value() else {
        panic!("a struct is an object");
    };
    let mut sections = vec![section("", &root)];
    for name in key_names("") {
        let schema = &root["properties"][&name];
        if let Some(table) = table(schema) {
            sections.push(section(&name, table));
        }
    }
    sections
}

/// Returns the schema of a section, by itself or as the element of a list.
fn table(schema: &Value) -> Option<&Map<String, Value>> {
    let table = schema.get("items").unwrap_or(schema).as_object()?;
    table.contains_key("properties").then_some(table)
}

fn section(name: &str, schema: &Map<String, Value>) -> Section {
    let properties = schema["properties"].as_object().unwrap();
    let required = |name: &str| {
        let required = schema.get("required").and_then(Value::as_array);
        required.is_some_and(|required| required.iter().any(|key| key == name))
    };
    let mut names = key_names(name);
    assert_eq!(names.len(), properties.len(), "[{name}]");
    names.retain(|name| table(&properties[name]).is_none());
    Section {
        name: name.to_owned(),
        is_list: ["registry", "exception"].contains(&name),
        about: description(&schema["description"]),
        keys: names
            .into_iter()
            .map(|name| key(&properties[&name], required(&name), name))
            .collect(),
    }
}

fn key(schema: &Value, is_required: bool, name: String) -> Key {
    let is_date = schema["format"] == "date-time";
    let toml = |value: &Value| {
        let text = value.to_string().replace("\",\"", "\", \"");
        if is_date { text.replace('"', "") } else { text }
    };
    let is_list = schema["type"] == "array";
    let default = schema.get("default").map(toml);
    let example = schema.pointer("/examples/0");
    Key {
        kind: kind(schema),
        variants: variants(schema),
        about: description(&schema["description"]),
        default: default.or_else(|| is_list.then(|| "[]".to_owned())),
        is_required,
        example: toml(example.unwrap_or_else(|| panic!("{name} has no example"))),
        name,
    }
}

/// Returns the kind of value that a schema describes.
fn kind(schema: &Value) -> String {
    let is = |name: &str| {
        let types = &schema["type"];
        types == name
            || types
                .as_array()
                .is_some_and(|types| types.iter().any(|kind| kind == name))
    };
    let either = schema["anyOf"].as_array();
    let either = either.map(|schemas| schemas.iter().filter(|schema| schema["type"] != "null"));
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    match (either, schema["title"].as_str()) {
        (Some(either), _) => either.map(kind).collect::<Vec<_>>().join(" | "),
        (None, Some(title)) => title.to_owned(),
        (None, None) if !variants(schema).is_empty() => {
            let variants = variants(schema).into_iter().map(|(value, _)| value);
            variants.collect::<Vec<_>>().join(" | ")
        }
        (None, None) if is("array") => format!("[{}, ...]", kind(&schema["items"])),
        (None, None) if is("boolean") => "true | false".to_owned(),
        (None, None) if is("integer") => "number".to_owned(),
        (None, None) if schema["format"] == "date-time" => "date and time".to_owned(),
        (None, None) => panic!("{schema} has no kind"),
    }
}

fn variants(schema: &Value) -> Vec<(String, String)> {
    let variants = schema.get("oneOf");
    // A key whose absence is no value of the enumeration.
    let variants = variants.or_else(|| schema.pointer("/anyOf/0/oneOf"));
    let variants = variants.and_then(Value::as_array).into_iter().flatten();
    variants
        .map(|one| (one["const"].to_string(), description(&one["description"])))
        .collect()
}

/// Returns a doc comment with one line for each paragraph.
fn description(text: &Value) -> String {
    let text = text.as_str().expect("it has a doc comment");
    let paragraphs = text.split("\n\n");
    let joined: Vec<_> = paragraphs.map(|text| text.replace('\n', " ")).collect();
    joined.join("\n")
}

/// Returns the keys of a section in the order of its struct, from the error about an unknown one.
fn key_names(section: &str) -> Vec<String> {
    let text = file(section, "no-such-key", "1");
    let refused = toml::from_str::<RawConfig>(&text).err().unwrap();
    let (_, known) = refused.message().split_once(", expected ").unwrap();
    let known = known.split('`').skip(1).step_by(2);
    known.map(str::to_owned).collect()
}

const CUSTOM_DOMAIN: &str = "\"registry.contoso.com\"";
const GUID: &str = "\"11111111-1111-1111-1111-111111111111\"";

/// Returns a whole file in which `key` of the section `name` has this value, and only necessary keys besides.
pub(super) fn file(name: &str, key: &str, value: &str) -> String {
    let mut keys = match (name, key) {
        ("registry", "registry") if !value.is_empty() => vec![("login-server", CUSTOM_DOMAIN)],
        ("registry", _) => vec![("login-server", "\"contoso.azurecr.io\"")],
        ("exception", _) => vec![
            ("reason", "\"r\""),
            match (key, value) {
                ("unit", "") => ("cgroup", "\"/a\""),
                _ => ("unit", "\"a.service\""),
            },
            ("cidrs", "[\"198.51.100.0/24\"]"),
            ("names", "[\"a.blob.core.windows.net\"]"),
            ("until", "2027-01-31T00:00:00Z"),
        ],
        ("log", "syslog-format") => vec![("syslog", "\"/run/syslog\"")],
        ("azure", _) => vec![("tenant-id", GUID), ("client-id", GUID)],
        _ => Vec::new(),
    };
    let replaced = if key == "cgroup" && !value.is_empty() {
        "unit"
    } else {
        key
    };
    keys.retain(|(present, _)| *present != replaced);
    keys.push((key, value));
    let lines: String = keys
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect();
    match name {
        "" => format!("registry = []\n{lines}"),
        "registry" => format!("[[registry]]\n{lines}"),
        "exception" => format!("registry = []\n[[exception]]\n{lines}"),
        _ => format!("registry = []\n[{name}]\n{lines}"),
    }
}
