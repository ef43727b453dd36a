//! Describes what is wrong with a JSON file, for the person who wrote it.

use crate::printable;
use crate::serde_message;

/// The most characters of a line in a message.
const SHOWN: usize = 80;
/// Prefixes of messages that Azure's command line, like other Python programs, writes to standard error.
const MESSAGES: [&str; 4] = ["WARNING:", "ERROR:", "INFO:", "DEBUG:"];

/// Describes the problem that `error` found in `bytes`, with its line.
pub(super) fn json_problem(error: &serde_json::Error, bytes: &[u8]) -> String {
    let (number, line) = if error.is_eof() {
        last_line(bytes)
    } else {
        (error.line(), line_at(bytes, error.line()))
    };
    if line.is_empty() {
        return "it is empty".to_owned();
    }
    let place = format!("line {number}, `{}`", excerpt(&line, error));
    if error.is_eof() {
        return format!("it ends within {place}");
    }
    if is_message(&line) {
        return format!("{place}, is a message from standard error; remove it (do not use `2>&1`)");
    }
    if error.is_data() {
        return format!("{place}: {}", fault(error));
    }
    format!("{place}, is not JSON ({})", fault(error))
}

/// Describes the problem that `error` found, without its line: answers of servers may contain secrets.
pub(super) fn fault(error: &serde_json::Error) -> String {
    let told = error.to_string();
    let (told, _position) = told.rsplit_once(" at line ").unwrap_or((&told, ""));
    serde_message::translate(told, "an object")
}

/// Whether a program wrote this line to standard error: the text before its level is not JSON.
fn is_message(line: &str) -> bool {
    let mut levels = MESSAGES.iter().filter_map(|level| line.find(level));
    levels.any(|at| !line.get(..at).unwrap_or_default().contains(['"', '{']))
}

fn line_at(bytes: &[u8], number: usize) -> String {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let line = lines.nth(number.saturating_sub(1)).unwrap_or_default();
    String::from_utf8_lossy(line).trim().to_owned()
}

/// The last line that is not blank, with its number.
fn last_line(bytes: &[u8]) -> (usize, String) {
    let lines = bytes.split(|byte| *byte == b'\n');
    let mut numbered: Vec<_> = (1..).zip(lines).collect();
    while numbered
        .pop_if(|(_, line)| line.trim_ascii().is_empty())
        .is_some()
    {}
    let (number, line) = numbered.pop().unwrap_or_default();
    (number, String::from_utf8_lossy(line).trim().to_owned())
}

/// Returns the part of `line` around the error.
fn excerpt(line: &str, error: &serde_json::Error) -> String {
    let length = line.chars().count();
    if length <= SHOWN {
        return printable::line(line);
    }
    let before = line.get(..error.column()).filter(|_| !error.is_eof());
    let column = before.map_or(length, |before| before.chars().count());
    let from = column.saturating_sub(SHOWN / 2).min(length - SHOWN);
    let shown: String = line.chars().skip(from).take(SHOWN).collect();
    let before = if from > 0 { "…" } else { "" };
    let after = if from + SHOWN < length { "…" } else { "" };
    format!("{before}{}{after}", printable::line(&shown))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Inner {
        #[expect(dead_code, reason = "read by serde alone")]
        change_number: u32,
        #[expect(dead_code, reason = "read by serde alone")]
        names: Option<Vec<String>>,
    }

    fn problem(text: &str) -> String {
        let error = serde_json::from_str::<Inner>(text).unwrap_err();
        json_problem(&error, text.as_bytes())
    }

    #[test]
    fn each_problem_shows_its_line_and_no_rust_type() {
        for (text, expected) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            (
                "{\n  \"changeNumber\": 1,\n\n",
                "it ends within line 2, `\"changeNumber\": 1,`",
            ),
            (
                "WARNING: in preview.\n{\"changeNumber\": 1}",
                "line 1, `WARNING: in preview.`, is a message from standard error; remove it (do not use `2>&1`)",
            ),
            (
                "\u{1b}[33mWARNING: in preview.\n{\"changeNumber\": 1}",
                "line 1, `\\u{1b}[33mWARNING: in preview.`, is a message from standard error; remove it (do not use `2>&1`)",
            ),
            (
                "{\"changeNumber\": 1}\naz : ERROR: late\n",
                "line 2, `az : ERROR: late`, is a message from standard error; remove it (do not use `2>&1`)",
            ),
            ("<html>\n", "line 1, `<html>`, is not JSON (expected value)"),
            (
                "{\n\"changeNumber\": \"4\"\n}",
                "line 2, `\"changeNumber\": \"4\"`: expected a whole number below 4294967296, found the text \"4\"",
            ),
            (
                "{\"changeNumber\": 99999999999}",
                "line 1, `{\"changeNumber\": 99999999999}`: expected a whole number below 4294967296, found the number `99999999999`",
            ),
            (
                "{\"changeNumber\": 1, \"names\": {}}",
                "line 1, `{\"changeNumber\": 1, \"names\": {}}`: expected a list, found an object",
            ),
            (
                "{\"changeNumber\": 1, \"names\": [[]]}",
                "line 1, `{\"changeNumber\": 1, \"names\": [[]]}`: expected text in quotes, found a list",
            ),
            ("7", "line 1, `7`: expected an object, found the number `7`"),
            ("[]", "line 1, `[]`: expected an object, found a list"),
            ("{}", "line 1, `{}`: missing key `changeNumber`"),
        ] {
            assert_eq!(problem(text), expected, "{text}");
        }
    }

    #[test]
    fn a_long_line_is_shown_around_the_error() {
        let long = format!(
            "{{\"names\": [\"{}\", 7], \"more\": \"{}\"}}",
            "é".repeat(500),
            "b".repeat(500)
        );
        let shown = problem(&long);
        assert!(shown.contains("\", 7]") || shown.contains("b"), "{shown}");
        assert!(shown.chars().count() < 200, "{shown}");
        let ends = format!("{{\"names\": [\"{}", "a".repeat(5000));
        assert!(problem(&ends).len() < 200);
    }
}
