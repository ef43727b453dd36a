//! DNS host names in canonical form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name in presentation form, without the final dot (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;
/// The longest label (RFC 1035 section 2.3.4).
const MAX_LABEL: usize = 63;

/// A host name in lower case, without the final dot: letters, digits, hyphens and underscores, at least two labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(inline))]
#[serde(try_from = "String", into = "String")]
pub struct Name(Box<str>);

/// Why a string is not a host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It contains a `*`; policy allows fully qualified names only.
    #[error(
        "\"{0}\" is a wildcard: it would allow every account that it matches; use fully qualified names (Azure shows wildcards while \
         dedicated data endpoints are disabled: az acr update --name REGISTRY --data-endpoint-enabled)"
    )]
    Wildcard(String),
    /// Not a name by RFC 1035 and RFC 1123.
    #[error(
        "\"{0}\" is not a host name (letters, digits and hyphens in labels of 1 to 63, joined by dots)"
    )]
    Invalid(String),
    /// One label, which may be a registry's name.
    #[error(
        "\"{0}\" is not a fully qualified host name; add its domain, such as \"{0}.azurecr.io\" for the registry \"{0}\""
    )]
    SingleLabel(String),
}

impl Name {
    /// The name as text, lower case, without the final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The labels, leftmost first.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether this name is `suffix` or a subdomain of it.
    pub fn is_within(&self, suffix: &str) -> bool {
        self.0
            .strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains('*') {
            return Err(NameError::Wildcard(text.to_owned()));
        }
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if is_label(&lower) && lower.bytes().any(|byte| byte.is_ascii_alphabetic()) {
            return Err(NameError::SingleLabel(lower));
        }
        let labels_fit = lower.split('.').all(is_label);
        let address_like = lower
            .split('.')
            .all(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
        if lower.len() > MAX_NAME || !lower.contains('.') || !labels_fit || address_like {
            return Err(NameError::Invalid(text.to_owned()));
        }
        Ok(Self(lower.into_boxed_str()))
    }
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.into_string()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_the_final_dot_do_not_matter() {
        let name: Name = "ConToso.AzureCR.io.".parse().unwrap();
        assert_eq!(name.as_str(), "contoso.azurecr.io");
    }

    #[test]
    fn a_suffix_matches_whole_labels_only() {
        let name: Name = "notazurecr.io".parse().unwrap();
        assert!(!name.is_within("azurecr.io"));
        let name: Name = "contoso.azurecr.io".parse().unwrap();
        assert!(name.is_within("azurecr.io"));
    }

    #[test]
    fn invalid_names_are_refused() {
        for text in [
            "", ".", "1234", "a..b", "-a.io", "a-.io", "a b.io", "1.2.3.4", "ü.io",
        ] {
            assert!(
                matches!(text.parse::<Name>(), Err(NameError::Invalid(_))),
                "{text}"
            );
        }
        assert!(matches!(
            "*.azurecr.io".parse::<Name>(),
            Err(NameError::Wildcard(_))
        ));
        let bare = "Contoso".parse::<Name>().unwrap_err().to_string();
        assert!(bare.contains("\"contoso.azurecr.io\""), "{bare}");
    }
}
