//! `regions`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::{Region, Text};

/// `regions`: a list, or a word.
pub(in crate::config) enum Regions {
    /// These.
    Listed(Vec<String>),
    /// Those for which DNS has a name.
    Discover,
}

impl Regions {
    /// Those that are listed.
    pub(in crate::config) fn listed(self) -> Vec<String> {
        match self {
            Self::Listed(regions) => regions,
            Self::Discover => Vec::new(),
        }
    }

    /// Whether names are built from regions.
    pub(in crate::config) fn builds_names(&self) -> bool {
        match self {
            Self::Listed(regions) => !regions.is_empty(),
            Self::Discover => true,
        }
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
                    "\"{region}\" stands there twice; remove one"
                )));
            }
            regions.push(region);
        }
        Ok(Regions::Listed(regions))
    }
}
