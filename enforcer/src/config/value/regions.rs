//! Regions, and the key `regions` of a registry.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::{FromText, Text};

/// A region as endpoint names spell it.
pub(in crate::config) struct Region(pub(in crate::config) String);

/// The value of `regions`: a list, or `"discover"`.
pub(in crate::config) enum Regions {
    /// These regions.
    Listed(Vec<String>),
    /// The regions whose endpoint names exist in DNS.
    Discover,
}

impl Regions {
    /// Returns the listed regions.
    pub(in crate::config) fn listed(self) -> Vec<String> {
        match self {
            Self::Listed(regions) => regions,
            Self::Discover => Vec::new(),
        }
    }

    /// Returns whether endpoint names are built from regions.
    pub(in crate::config) fn builds_names(&self) -> bool {
        match self {
            Self::Listed(regions) => !regions.is_empty(),
            Self::Discover => true,
        }
    }
}

impl FromText for Region {
    const EXPECTED: &'static str = "a region in quotes, such as \"eastus\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let is_region = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            (1..=63).contains(&text.len()) && text.bytes().all(fits)
        };
        if is_region(text) {
            return Ok(Self(text.to_owned()));
        }
        let plain = text.to_ascii_lowercase().replace(' ', "");
        let fix = if is_region(&plain) { &plain } else { "eastus" };
        Err(format!(
            "\"{text}\" is not a region as endpoint names spell it (lower-case letters and digits); write one such as \"{fix}\""
        ))
    }
}

impl<'de> Deserialize<'de> for Regions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RegionsVisitor)
    }
}

struct RegionsVisitor;

impl<'de> Visitor<'de> for RegionsVisitor {
    type Value = Regions;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of regions, such as [\"eastus\"], or \"discover\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Regions, E> {
        if text == "discover" {
            return Ok(Regions::Discover);
        }
        Err(E::custom(format!(
            "write a list: regions = [\"{text}\"], or \"discover\""
        )))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Regions, A::Error> {
        let mut regions = Vec::new();
        while let Some(Text(Region(region))) = elements.next_element()? {
            if regions.contains(&region) {
                return Err(A::Error::custom(format!(
                    "\"{region}\" is listed twice; remove one"
                )));
            }
            regions.push(region);
        }
        Ok(Regions::Listed(regions))
    }
}
