//! `regions`, and what is kept for a later version.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::{Region, Text};

/// `regions`: a list; `"discover"` is kept for asking Azure Resource Manager.
pub(in crate::config) struct Regions(pub(in crate::config) Vec<String>);

impl<'de> Deserialize<'de> for Regions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RegionsVisitor)
    }
}

struct RegionsVisitor;

impl<'de> Visitor<'de> for RegionsVisitor {
    type Value = Regions;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of regions, such as [\"eastus\"]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Regions, E> {
        if text == "discover" {
            return Err(E::custom(
                "\"discover\" (asking Azure Resource Manager) is for a later version; list the regions, or give endpoints-file",
            ));
        }
        Err(E::custom(format!("write a list: regions = [\"{text}\"]")))
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
        Ok(Regions(regions))
    }
}

/// A key that is kept for a later version: whatever stands there is refused.
pub(in crate::config) struct ResourceId;

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "asking Azure Resource Manager is for a later version; remove the key and list regions, or give endpoints-file",
        ))
    }
}
