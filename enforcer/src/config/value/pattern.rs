//! Names of endpoints, and patterns of them.

use std::fmt;
use std::str::FromStr;

use super::FromText;
use crate::name::{Name, NameError};

/// The label that replaces the wildcard in an example name; no region has this name.
const ANY: &str = "any";

/// A name with `*` as its second label: `contoso.*.data.azurecr.io`. The wildcard matches exactly one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndpointPattern {
    text: String,
    example: Name,
}

impl EndpointPattern {
    /// Returns the pattern as text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns a name that it matches.
    pub fn example(&self) -> &Name {
        &self.example
    }

    /// Returns whether it matches `name`.
    pub fn matches(&self, name: &Name) -> bool {
        let is_fixed = |(at, _): &(usize, &str)| *at != 1;
        let labels = |name: &Name| -> Vec<String> {
            let labels = name.labels().enumerate().filter(is_fixed);
            labels.map(|(_, label)| label.to_owned()).collect()
        };
        name.labels().count() == self.example.labels().count()
            && labels(name) == labels(&self.example)
    }
}

impl fmt::Display for EndpointPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for EndpointPattern {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wildcard = || NameError::Wildcard(text.to_owned());
        let (first, rest) = text.split_once(".*.").ok_or_else(wildcard)?;
        if first.contains('.') || !rest.contains('.') {
            return Err(wildcard());
        }
        let example: Name = format!("{first}.{ANY}.{rest}").parse()?;
        let text = example.as_str().replacen(&format!(".{ANY}."), ".*.", 1);
        Ok(Self { text, example })
    }
}

/// An element of `data-endpoints`.
pub(in crate::config) enum EndpointName {
    Whole(Name),
    Pattern(EndpointPattern),
}

impl FromText for EndpointName {
    const EXPECTED: &'static str = Name::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        if text.contains('*') {
            let pattern = text.parse().map(Self::Pattern);
            return pattern.map_err(|error: NameError| error.to_string());
        }
        Name::from_text(text).map(Self::Whole)
    }
}

/// Separates whole names and patterns.
pub(in crate::config) fn partition(
    names: impl Iterator<Item = EndpointName>,
) -> (Vec<Name>, Vec<EndpointPattern>) {
    let (mut whole, mut patterns) = (Vec::new(), Vec::new());
    for name in names {
        match name {
            EndpointName::Whole(name) => whole.push(name),
            EndpointName::Pattern(pattern) => patterns.push(pattern),
        }
    }
    (whole, patterns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcard_matches_exactly_one_label() {
        let pattern: EndpointPattern = "contoso.*.data.azurecr.io".parse().unwrap();
        for (name, expected) in [
            ("contoso.westus3.data.azurecr.io", true),
            ("contoso.any.data.azurecr.io", true),
            ("contoso.data.azurecr.io", false),
            ("contoso.a.b.data.azurecr.io", false),
            ("fabrikam.westus3.data.azurecr.io", false),
            ("contoso.westus3.data.azurecr.cn", false),
        ] {
            assert_eq!(pattern.matches(&name.parse().unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn wildcard_is_the_whole_second_label() {
        let pattern: EndpointPattern = "Contoso.*.Data.azurecr.io".parse().unwrap();
        assert_eq!(pattern.as_str(), "contoso.*.data.azurecr.io");
        assert_eq!(pattern.example().as_str(), "contoso.any.data.azurecr.io");
        for text in [
            "*.azurecr.io",
            "contoso.*",
            "contoso.*.io",
            "contoso.*.*.azurecr.io",
            "contoso.e*.data.azurecr.io",
            "*.*.data.azurecr.io",
            "contoso.data.*.azurecr.io",
        ] {
            assert!(text.parse::<EndpointPattern>().is_err(), "{text}");
        }
    }
}
