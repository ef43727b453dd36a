//! Values that a configuration contains as strings, each with the error message that its author needs.

mod azure;
mod duration;
mod interface;
mod local_url;
mod network;
mod path;
mod pattern;
mod regions;
#[cfg(test)]
mod schema;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use toml::Spanned;

pub(super) use self::azure::Guid;
pub(crate) use self::azure::redacted_url;
pub use self::azure::{HttpsUrl, ResourceId};
pub(crate) use self::duration::duration;
pub(super) use self::duration::{DurationKey, bounded, poll_interval};
pub use self::interface::InterfacePattern;
pub use self::local_url::LocalUrl;
pub(super) use self::network::{Listen, Nat64, allowed_prefixes, protected_prefixes};
pub(super) use self::path::{Absolute, CgroupPath, File, Unit, below_cgroup_mount};
pub use self::pattern::EndpointPattern;
pub(super) use self::pattern::{EndpointName, partition};
pub(super) use self::regions::{Region, Regions};
use crate::name::{Name, NameError};
use crate::printable;

/// A value that is one string in the file.
pub(super) trait FromText: Sized {
    /// The wanted value, for the error message where another type is found: an article, the kind of value, and "in quotes".
    const EXPECTED: &'static str;

    /// Parses the value; the error names the problem and its fix.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// A [`FromText`] value, parsed inside the visitor so that its error has the position of the string itself.
pub(super) struct Text<T>(pub(super) T);

/// A value with its position in the file.
#[derive(serde::Deserialize)]
#[serde(transparent, bound = "T: Deserialize<'de>")]
pub(super) struct Located<T>(Spanned<T>);

impl<T> Located<T> {
    /// Returns the value.
    pub(super) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T> Deref for Located<T> {
    type Target = Spanned<T>;

    fn deref(&self) -> &Spanned<T> {
        &self.0
    }
}

impl<'de, T: FromText> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: FromText> Visitor<'_> for TextVisitor<T> {
    type Value = Text<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<T>, E> {
        T::from_text(text).map(Text).map_err(E::custom)
    }
}

/// Removes the [`Text`] around each value.
pub(super) fn values<T>(written: Vec<Text<T>>) -> Vec<T> {
    written.into_iter().map(|Text(value)| value).collect()
}

impl FromText for Name {
    const EXPECTED: &'static str = "a host name in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: NameError| error.to_string())
    }
}

/// The value of `login-server`.
pub(super) enum WrittenLoginServer {
    /// A host name.
    Whole(Name),
    /// A registry's name, without its cloud's suffix.
    Bare(String),
}

impl FromText for WrittenLoginServer {
    const EXPECTED: &'static str = Name::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(name) => Ok(Self::Whole(name)),
            Err(NameError::SingleLabel(label)) => Ok(Self::Bare(label)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The label of a registry before its cloud's suffix: `contoso` of `contoso.azurecr.io`.
pub(super) struct RegistryLabel(pub(super) String);

impl FromText for RegistryLabel {
    const EXPECTED: &'static str = "a registry name in quotes, such as \"contoso\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_label = (1..=63).contains(&text.len())
            && text.bytes().all(fits)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if !is_label {
            return Err(format!(
                "\"{text}\" is not a registry name; write the part of its login server before azurecr.io, such as \"contoso\""
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// The name of a service tag.
pub(super) struct Tag(pub(super) String);

impl FromText for Tag {
    const EXPECTED: &'static str = "a service tag in quotes, such as \"Storage\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if text.is_empty() || !text.bytes().all(fits) {
            return Err(format!(
                "\"{text}\" is not the name of a service tag; write one such as \"Storage\""
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A sentence for people, on one line and safe on a terminal; not empty.
pub(super) struct Reason(pub(super) String);

impl FromText for Reason {
    const EXPECTED: &'static str = "a sentence in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err(
                "the reason is empty; write why this exception is needed, for whoever reviews it"
                    .to_owned(),
            );
        }
        Ok(Self(printable::line(text)))
    }
}

/// Parses an instant from a TOML date-time, which must have an offset.
pub(super) fn instant(written: &toml::value::Datetime) -> Result<Timestamp, String> {
    if written.date.is_none() || written.time.is_none() || written.offset.is_none() {
        let fix = match (written.date, written.time) {
            (Some(_), Some(_)) => format!("{written}Z"),
            (Some(_), None) => format!("{written}T00:00:00Z"),
            (None, _) => "2027-01-31T00:00:00Z".to_owned(),
        };
        return Err(format!(
            "{written} has no UTC offset, so it is not an instant; add Z for UTC: {fix}"
        ));
    }
    written
        .to_string()
        .parse()
        .map_err(|error: jiff::Error| format!("{written} is not an instant: {error}"))
}
