//! Parses the published JSON, keeping only the requested tags in memory.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The parsed part of the file; text is borrowed from its bytes. `N` is the type of change numbers: numbers in the file, strings in the
/// Service Tag Discovery API.
pub(super) struct Published<'a, N> {
    pub(super) change_number: N,
    pub(super) cloud: Cow<'a, str>,
    pub(super) tags: Vec<PublishedTag<'a>>,
    /// The URL of the next page of a list of the API.
    pub(super) next_link: Option<Cow<'a, str>>,
}

/// One tag with its prefixes as written.
pub(super) struct PublishedTag<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) prefixes: Vec<Cow<'a, str>>,
}

impl PublishedTag<'_> {
    /// Copies the borrowed text.
    pub(super) fn into_owned(self) -> PublishedTag<'static> {
        let prefixes = self.prefixes.into_iter();
        PublishedTag {
            name: Cow::Owned(self.name.into_owned()),
            prefixes: prefixes.map(|text| Cow::Owned(text.into_owned())).collect(),
        }
    }
}

/// Whether the tag `name` is `family` or one of its regional tags.
pub(in crate::azure) fn is_of_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl<'a, N: Deserialize<'a>> Published<'a, N> {
    /// Parses the tags `wanted` and their regional tags from UTF-8, and skips the others.
    pub(super) fn parse(bytes: &'a [u8], wanted: &[String]) -> Result<Self, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let number = PhantomData;
        let published = FileSeed { wanted, number }.deserialize(&mut json)?;
        json.end()?;
        Ok(published)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum FileField {
    ChangeNumber,
    Cloud,
    Values,
    NextLink,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum TagField {
    Name,
    Properties,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    #[serde(borrow)]
    address_prefixes: Vec<Text<'a>>,
}

/// Text that is borrowed unless it has escapes; a `Cow` inside a `Vec` would always be owned.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

struct FileSeed<'w, N> {
    wanted: &'w [String],
    number: PhantomData<N>,
}

impl<'de, N: Deserialize<'de>> DeserializeSeed<'de> for FileSeed<'_, N> {
    type Value = Published<'de, N>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, N: Deserialize<'de>> Visitor<'de> for FileSeed<'_, N> {
    type Value = Published<'de, N>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with changeNumber, cloud and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut change_number, mut cloud, mut tags, mut next_link) = (None, None, None, None);
        while let Some(field) = map.next_key()? {
            match field {
                FileField::ChangeNumber => change_number = Some(map.next_value()?),
                FileField::Cloud => cloud = Some(map.next_value::<Text<'de>>()?.0),
                FileField::Values => {
                    tags = Some(map.next_value_seed(TagsSeed {
                        wanted: self.wanted,
                    })?)
                }
                FileField::NextLink => {
                    next_link = map.next_value::<Option<Text<'de>>>()?.map(|text| text.0)
                }
                FileField::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Published {
            change_number: change_number.ok_or_else(|| A::Error::missing_field("changeNumber"))?,
            cloud: cloud.ok_or_else(|| A::Error::missing_field("cloud"))?,
            tags: tags.ok_or_else(|| A::Error::missing_field("values"))?,
            next_link,
        })
    }
}

#[derive(Clone, Copy)]
struct TagsSeed<'w> {
    wanted: &'w [String],
}

impl<'de> DeserializeSeed<'de> for TagsSeed<'_> {
    type Value = Vec<PublishedTag<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for TagsSeed<'_> {
    type Value = Vec<PublishedTag<'de>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of service tags")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut tags = Vec::new();
        while let Some(tag) = elements.next_element_seed(TagSeed {
            wanted: self.wanted,
        })? {
            tags.extend(tag);
        }
        Ok(tags)
    }
}

#[derive(Clone, Copy)]
struct TagSeed<'w> {
    wanted: &'w [String],
}

impl<'de> DeserializeSeed<'de> for TagSeed<'_> {
    type Value = Option<PublishedTag<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TagSeed<'_> {
    type Value = Option<PublishedTag<'de>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a service tag")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut name: Option<Cow<'de, str>> = None;
        let mut properties: Option<Properties<'de>> = None;
        let is_wanted = |name: &str| self.wanted.iter().any(|family| is_of_family(name, family));
        while let Some(field) = map.next_key()? {
            match field {
                TagField::Name => name = Some(map.next_value::<Text<'de>>()?.0),
                TagField::Properties if name.as_deref().is_none_or(is_wanted) => {
                    properties = Some(map.next_value()?);
                }
                TagField::Properties | TagField::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let name = name.ok_or_else(|| A::Error::missing_field("name"))?;
        if !is_wanted(&name) {
            return Ok(None);
        }
        let properties = properties.ok_or_else(|| A::Error::missing_field("properties"))?;
        let prefixes = properties
            .address_prefixes
            .into_iter()
            .map(|text| text.0)
            .collect();
        Ok(Some(PublishedTag { name, prefixes }))
    }
}
