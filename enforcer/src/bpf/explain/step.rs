//! A step of a judgement, from a log record of the trace program: a word for the step, then `key=value` pairs with codes
//! (`enforcer-ebpf/src/trace/records.rs`), which become field terms here.

use std::fmt::{Display, Formatter, Result};
use std::net::Ipv6Addr;

use enforcer_common::layout::AddressGrant;
use enforcer_common::{Class, Reason};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// The code of a `reason` if there is none: the ClientHello passed.
const PASSED: u64 = u8::MAX as u64;
/// The number of a name if any server name passes (`sni = "off"`).
const ANY_NAME: u64 = AddressGrant::ANY_NAME as u64;

/// A step with its inputs and results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The word for the step.
    pub name: String,
    /// Its inputs and results, by key.
    pub fields: Vec<(String, Value)>,
}

impl Step {
    /// Parses the message of a log record. Values of another version's records stay unchanged.
    pub(super) fn parse(message: &str) -> Self {
        let mut words = message.split_ascii_whitespace();
        let name = words.next().unwrap_or_default().to_owned();
        let fields = words.map(|word| {
            let (key, code) = word.split_once('=').unwrap_or((word, ""));
            let value = value(key, code).unwrap_or_else(|| code.into());
            (key.to_owned(), value)
        });
        Self {
            fields: fields.collect(),
            name,
        }
    }
}

/// The value for a code of `key`.
fn value(key: &str, code: &str) -> Option<Value> {
    match key {
        "address" | "destination" => {
            let address: Ipv6Addr = code.parse().ok()?;
            return Some(address.to_canonical().to_string().into());
        }
        "name" => return text(code).map(Value::from),
        _ => (),
    }
    let code: u64 = code.parse().ok()?;
    match (key, code) {
        ("reason", PASSED) | ("covered-by" | "number" | "pattern-number" | "cgroup", 0) => {
            Some(Value::Null)
        }
        ("number", ANY_NAME) => Some("any".into()),
        ("resolves" | "granted" | "denied" | "passes", _) => Some((code != 0).into()),
        ("parsed" | "protocol" | "class" | "covered-by" | "reason", _) => {
            word(key, u8::try_from(code).ok()?).map(Value::from)
        }
        _ => Some(code.into()),
    }
}

/// The text whose bytes, padded with zeros, are `hex`.
fn text(hex: &str) -> Option<String> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let digits = digits?;
    let (pairs, _) = digits.as_chunks();
    let bytes = pairs.iter().map(|[high, low]| high << 4 | low);
    let text = String::from_utf8(bytes.collect()).ok()?;
    Some(text.trim_end_matches('\0').to_owned())
}

/// The word for a code of `key`.
fn word(key: &str, code: u8) -> Option<&'static str> {
    match (key, code) {
        ("reason", _) => Reason::from_code(code).map(Reason::word),
        ("class", _) => Some(class(Class::from_code(code.into()))),
        ("covered-by", 1) => Some("prefix"),
        ("covered-by", 2) => Some("name"),
        ("parsed", 0) => Some("unreadable"),
        ("parsed", 1) => Some("source-routed"),
        ("parsed", 2) => Some("with-port"),
        ("parsed", 3) => Some("port-hidden"),
        ("parsed", 4) => Some("without-port"),
        // IP protocol numbers (IANA).
        ("protocol", 1) => Some("icmp"),
        ("protocol", 6) => Some("tcp"),
        ("protocol", 17) => Some("udp"),
        ("protocol", 58) => Some("icmpv6"),
        _ => None,
    }
}

const fn class(class: Class) -> &'static str {
    match class {
        Class::Unprotected => "unprotected",
        Class::Exempt => "exempt",
        Class::Storage => "storage",
        Class::Registry => "registry",
        Class::Configured => "configured-prefix",
        Class::Nat64(_) => "nat64",
        Class::Unknown => "unknown",
    }
}

impl Display for Step {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        write!(formatter, "{}:", self.name)?;
        for (key, value) in &self.fields {
            match value {
                Value::Null => write!(formatter, " {key}=none")?,
                Value::String(text) => write!(formatter, " {key}={text}")?,
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    write!(formatter, " {key}={value}")?;
                }
            }
        }
        Ok(())
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", &self.name)?;
        for (key, value) in &self.fields {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_field_terms() {
        for (message, expected) in [
            (
                "header ip-version=4 parsed=2 protocol=6 port=443 destination=::ffff:20.38.98.100",
                "header: ip-version=4 parsed=with-port protocol=tcp port=443 destination=20.38.98.100",
            ),
            (
                "class address=2603:1030::1 class=2",
                "class: address=2603:1030::1 class=storage",
            ),
            (
                "exception address=2603::1 covered-by=0",
                "exception: address=2603::1 covered-by=none",
            ),
            ("server-name name=31322e696f0000", "server-name: name=12.io"),
            (
                "grant number=4294967295 pattern-number=0 cgroup=0 granted=0",
                "grant: number=any pattern-number=none cgroup=none granted=false",
            ),
            ("client-hello reason=255", "client-hello: reason=none"),
            (
                "verdict denied=1 reason=19 passes=0",
                "verdict: denied=true reason=server-name-unknown passes=false",
            ),
            ("verdict reason=99 new=x", "verdict: reason=99 new=x"),
        ] {
            assert_eq!(Step::parse(message).to_string(), expected);
        }
    }

    #[test]
    fn json_has_a_key_for_each_value() {
        let step = Step::parse("allowed-name address=::ffff:20.42.66.0 resolves=1");
        let json = serde_json::to_string(&step).unwrap();
        let expected = r#"{"step":"allowed-name","address":"20.42.66.0","resolves":true}"#;
        assert_eq!(json, expected);
    }
}
