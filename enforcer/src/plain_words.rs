//! What serde says of a value, in words that the reader of a file knows: no type of Rust is in them.

/// What serde calls a kind of value, and what a reader of the file does.
const KINDS: [(&str, &str); 15] = [
    ("a borrowed string", "text in quotes"),
    ("a string", "text in quotes"),
    ("string \"", "the text \""),
    ("a boolean", "true or false"),
    ("boolean `", "`"),
    ("integer `", "the number `"),
    ("floating point `", "the number `"),
    ("a sequence", "a list"),
    ("sequence", "a list"),
    ("u32", "a whole number below 4294967296"),
    (
        "a TOML datetime",
        "a datetime without quotes, such as 2027-01-31T00:00:00Z",
    ),
    ("unknown variant", "unknown value"),
    ("missing field", "missing key"),
    ("unknown field", "unknown key"),
    ("wanted string or table", "expected text in quotes"),
];

/// Rewrites serde's `message`; `table` is what the format calls a collection of keys and values ("an object", "a table").
pub(crate) fn plain_words(message: &str, table: &str) -> String {
    let mismatch = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, wanted)) = mismatch.and_then(|told| told.rsplit_once(", expected ")) {
        return format!(
            "expected {}, found {}",
            kind(wanted, table),
            kind(found, table)
        );
    }
    // A list in the place of a struct.
    if message.starts_with("invalid length ") && message.contains("expected struct ") {
        return format!("expected {table}, found a list");
    }
    kind(message, table)
}

fn kind(told: &str, table: &str) -> String {
    if told.starts_with("struct ") || ["map", "a map"].contains(&told) {
        return table.to_owned();
    }
    let known = KINDS.iter().find(|(serde, _)| told.starts_with(serde));
    known.map_or_else(
        || told.to_owned(),
        |(serde, plain)| told.replacen(serde, plain, 1),
    )
}
