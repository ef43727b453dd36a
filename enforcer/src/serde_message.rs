//! Translates serde's error messages into the terms of a file's format, without types of Rust.

/// Terms of serde, and the terms for readers of the file.
const TERMS: [(&str, &str); 15] = [
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

/// Translates serde's `message`; `table` is the format's term for a collection of keys and values ("an object", "a table").
pub(crate) fn translate(message: &str, table: &str) -> String {
    let mismatch = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, expected)) = mismatch.and_then(|message| message.rsplit_once(", expected "))
    {
        return format!(
            "expected {}, found {}",
            translate_term(expected, table),
            translate_term(found, table)
        );
    }
    // A list where a struct is expected.
    if message.starts_with("invalid length ") && message.contains("expected struct ") {
        return format!("expected {table}, found a list");
    }
    translate_term(message, table)
}

fn translate_term(text: &str, table: &str) -> String {
    if text.starts_with("struct ") || ["map", "a map"].contains(&text) {
        return table.to_owned();
    }
    let term = TERMS.iter().find(|(serde, _)| text.starts_with(serde));
    term.map_or_else(
        || text.to_owned(),
        |(serde, plain)| text.replacen(serde, plain, 1),
    )
}
