//! Names of endpoints, and patterns of them.

use std::fmt;
use std::str::FromStr;

use super::FromText;
use crate::name::{Name, NameError};

/// A label that stands in for the wildcard where a whole name is wanted; no region has this name.
const ANY: &str = "any";

/// A name with `*` as its second label: `contoso.*.data.azurecr.io`. It stands for exactly one label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndpointPattern {
    text: String,
    example: Name,
}

impl EndpointPattern {
    /// The pattern as text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A name that it stands for.
    pub fn example(&self) -> &Name {
        &self.example
    }

    /// Whether it stands for `name`.
    pub fn stands_for(&self, name: &Name) -> bool {
        let second = |(at, _): &(usize, &str)| *at != 1;
        let labels = |name: &Name| -> Vec<String> {
            let labels = name.labels().enumerate().filter(second);
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

/// What may stand under `data-endpoints`.
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

/// Whole names and patterns, each for themselves.
pub(in crate::config) fn parted(
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
    fn a_pattern_stands_for_exactly_one_label() {
        let pattern: EndpointPattern = "contoso.*.data.azurecr.io".parse().unwrap();
        for (name, expected) in [
            ("contoso.westus3.data.azurecr.io", true),
            ("contoso.any.data.azurecr.io", true),
            ("contoso.data.azurecr.io", false),
            ("contoso.a.b.data.azurecr.io", false),
            ("fabrikam.westus3.data.azurecr.io", false),
            ("contoso.westus3.data.azurecr.cn", false),
        ] {
            assert_eq!(
                pattern.stands_for(&name.parse().unwrap()),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn a_pattern_has_its_wildcard_as_the_whole_second_label() {
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
