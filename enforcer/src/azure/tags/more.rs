//! Tags from the Service Tag Discovery API, which lag behind the published file and may only add to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::Error as _;

use super::check::{Family, registries_are_apart_from_storage};
use super::published::{Published, Tag};
use super::{PrefixSet, TagError, TagSnapshot};
use crate::config::Cloud;

/// What the API knows of some families of tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoreTags {
    /// The cloud that they are of.
    pub cloud: Cloud,
    /// The change number of the list, which is that of the file that it follows.
    pub change_number: u32,
    /// By tag name, its prefixes united with those of its regional tags. Families that the list lacks are missing here.
    pub families: BTreeMap<String, PrefixSet>,
}

impl MoreTags {
    /// These and what the API said before: a later answer can be an older or a shorter list, and takes nothing away.
    #[must_use]
    pub fn and(mut self, before: &Self) -> Self {
        if before.cloud != self.cloud {
            return self;
        }
        for (name, known) in &before.families {
            let family = self.families.entry(name.clone()).or_default();
            *family = family.union(known);
        }
        self.change_number = self.change_number.max(before.change_number);
        self
    }
}

/// What a snapshot got from the API besides its own prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedTags {
    /// The change number of the API's list.
    pub change_number: u32,
    /// By tag name, the prefixes that the snapshot lacked, whole or in part.
    pub families: BTreeMap<String, PrefixSet>,
}

/// Puts the pages of a list together.
pub(in crate::azure) struct MoreTagsReader<'w> {
    cloud: Cloud,
    wanted: &'w [String],
    source: PathBuf,
    change_number: Option<u32>,
    tags: Vec<Tag<'static>>,
}

impl<'w> MoreTagsReader<'w> {
    /// Of `cloud`, the families `wanted`; `source` is named in errors.
    pub(in crate::azure) fn new(cloud: Cloud, wanted: &'w [String], source: &Path) -> Self {
        Self {
            cloud,
            wanted,
            source: source.to_owned(),
            change_number: None,
            tags: Vec::new(),
        }
    }

    /// Reads one page and returns the address of the next, when there is one.
    pub(in crate::azure) fn page(&mut self, bytes: &[u8]) -> Result<Option<String>, TagError> {
        let malformed = |source| TagError::Malformed {
            file: self.source.clone(),
            source,
        };
        let page = Published::<String>::parse(bytes, self.wanted).map_err(malformed)?;
        let number: Result<u32, _> = page.change_number.parse();
        let number = number.map_err(|error| {
            malformed(serde_json::Error::custom(format!("changeNumber: {error}")))
        })?;
        if !page
            .cloud
            .eq_ignore_ascii_case(self.cloud.service_tags_name())
        {
            return Err(TagError::OtherCloud {
                file: self.source.clone(),
                found: page.cloud.into_owned(),
                expected: self.cloud,
            });
        }
        self.change_number = Some(self.change_number.unwrap_or(number).min(number));
        self.tags.extend(page.tags.into_iter().map(Tag::into_owned));
        let next = page.next_link.map(|link| link.into_owned());
        Ok(next.filter(|link| !link.is_empty()))
    }

    /// All pages together, with the checks of a published file for the families that are there.
    pub(in crate::azure) fn finish(self) -> Result<MoreTags, TagError> {
        let mut families = BTreeMap::new();
        for name in self.wanted {
            let family = Family::gather(name, &self.tags, &self.source)?;
            if !family.is_absent() {
                families.insert(name.clone(), family.into_checked_union(&self.source)?);
            }
        }
        let missing = || TagError::Missing {
            source_name: self.source.display().to_string(),
            tag: self.wanted.first().cloned().unwrap_or_default(),
        };
        if families.is_empty() {
            return Err(missing());
        }
        registries_are_apart_from_storage(&families, &self.source)?;
        Ok(MoreTags {
            cloud: self.cloud,
            change_number: self.change_number.ok_or_else(missing)?,
            families,
        })
    }
}

impl TagSnapshot {
    /// These tags and what `more` adds to them: nothing is taken away, and families that are not here stay out. `source` is named
    /// in errors.
    ///
    /// # Errors
    /// When registries and storage would share an address, or `more` is of another cloud; then nothing of it is taken.
    pub fn with_added(&self, more: &MoreTags, source: &str) -> Result<Self, TagError> {
        let file = PathBuf::from(source);
        if more.cloud != self.cloud {
            return Err(TagError::OtherCloud {
                file,
                found: more.cloud.service_tags_name().to_owned(),
                expected: self.cloud,
            });
        }
        let mut whole = self.clone();
        let mut added = BTreeMap::new();
        for (name, known) in &mut whole.families {
            let Some(new) = more.families.get(name) else {
                continue;
            };
            let lacking: PrefixSet = new.iter().filter(|prefix| !known.covers(*prefix)).collect();
            if !lacking.is_empty() {
                *known = known.union(&lacking);
                added.insert(name.clone(), lacking);
            }
        }
        registries_are_apart_from_storage(&whole.families, &file)?;
        whole.added = Some(AddedTags {
            change_number: more.change_number,
            families: added,
        });
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::azure::TagOrigin;
    use crate::config::{REGISTRY_TAG, STORAGE_TAG};

    fn set(prefixes: &[&str]) -> PrefixSet {
        prefixes
            .iter()
            .map(|prefix| prefix.parse::<ipnet::IpNet>().unwrap())
            .collect()
    }

    fn wanted() -> [String; 2] {
        [STORAGE_TAG, REGISTRY_TAG].map(str::to_owned)
    }

    fn tag(name: &str, prefixes: &[&str]) -> Value {
        json!({"name": name, "id": name, "properties": {"changeNumber": "3", "region": "", "systemService": "AzureStorage",
               "addressPrefixes": prefixes}})
    }

    fn page(tags: &[Value], next: Option<&str>) -> Vec<u8> {
        let mut page = json!({"name": "Public", "id": "/subscriptions/x", "type": "Microsoft.Network/serviceTags",
                              "changeNumber": "63", "cloud": "Public", "values": tags});
        if let Some(next) = next {
            page["nextLink"] = next.into();
        }
        page.to_string().into_bytes()
    }

    fn read(pages: &[Vec<u8>]) -> Result<MoreTags, TagError> {
        let wanted = wanted();
        let mut reader = MoreTagsReader::new(Cloud::Public, &wanted, Path::new("the API"));
        for page in pages {
            reader.page(page)?;
        }
        reader.finish()
    }

    fn snapshot() -> TagSnapshot {
        TagSnapshot {
            families: BTreeMap::from([
                (STORAGE_TAG.to_owned(), set(&["192.0.2.0/24"])),
                (REGISTRY_TAG.to_owned(), set(&["198.51.100.0/24"])),
            ]),
            origin: TagOrigin::Bundle,
            ..crate::azure::bundle::load(Cloud::Public).unwrap()
        }
    }

    #[test]
    fn pages_make_one_list_and_a_regional_tag_may_stand_before_its_global_one() {
        let pages = [
            page(
                &[tag("Storage.EastUS", &["203.0.113.0/25"])],
                Some("https://next/"),
            ),
            page(
                &[
                    tag("Storage", &["203.0.113.0/24"]),
                    tag("Sql", &["10.0.0.0/1"]),
                ],
                Some(""),
            ),
        ];
        let wanted = wanted();
        let mut reader = MoreTagsReader::new(Cloud::Public, &wanted, Path::new("the API"));
        assert_eq!(
            reader.page(&pages[0]).unwrap().as_deref(),
            Some("https://next/")
        );
        assert_eq!(reader.page(&pages[1]).unwrap(), None);
        let more = reader.finish().unwrap();
        assert_eq!(more.change_number, 63);
        assert_eq!(
            more.families,
            BTreeMap::from([(STORAGE_TAG.to_owned(), set(&["203.0.113.0/24"]))])
        );
    }

    #[test]
    fn a_list_that_a_file_would_be_refused_for_is_refused() {
        let storage = || tag("Storage", &["203.0.113.0/24"]);
        for (tags, why) in [
            (vec![], "has no tag \"Storage\""),
            (
                vec![tag("Storage.EastUS", &["203.0.113.0/24"])],
                "has no tag",
            ),
            (
                vec![storage(), tag("Storage.EastUS", &["10.0.0.0/24"])],
                "lacks",
            ),
            (vec![tag("Storage", &["0.0.0.0/0"])], "shorter than"),
            (vec![tag("Storage", &["203.0.113.7/24"])], "bits set"),
            (
                vec![storage(), tag(REGISTRY_TAG, &["203.0.113.7/32"])],
                "is in \"AzureContainerRegistry\" and in \"Storage\"",
            ),
        ] {
            let error = read(&[page(&tags, None)]).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let text = String::from_utf8(page(&[storage()], None)).unwrap();
        for wrong in [
            text.replace("\"63\"", "63"),
            text.replace("\"63\"", "\"x\""),
        ] {
            let error = read(&[wrong.into_bytes()]).unwrap_err();
            assert!(matches!(error, TagError::Malformed { .. }), "{error}");
        }
        let other = text
            .replace("\"cloud\":\"Public\"", "\"cloud\":\"China\"")
            .into_bytes();
        assert!(matches!(read(&[other]), Err(TagError::OtherCloud { .. })));
        for end in 0..text.len() {
            assert!(read(&[text.as_bytes()[..end].to_vec()]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_later_answer_takes_nothing_away() {
        let first = read(&[page(&[tag("Storage", &["203.0.113.0/24"])], None)]).unwrap();
        let later = [
            tag("Storage", &["192.0.2.0/25"]),
            tag(REGISTRY_TAG, &["198.51.100.128/25"]),
        ];
        let both = read(&[page(&later, None)]).unwrap().and(&first);
        assert_eq!(
            both.families[STORAGE_TAG],
            set(&["192.0.2.0/25", "203.0.113.0/24"])
        );
        assert_eq!(both.families[REGISTRY_TAG], set(&["198.51.100.128/25"]));
    }

    #[test]
    fn what_is_added_is_named_and_nothing_is_taken_away() {
        let tags = [
            tag("Storage", &["192.0.2.0/25", "203.0.113.0/24"]),
            tag(REGISTRY_TAG, &["198.51.100.128/25"]),
        ];
        let more = read(&[page(&tags, None)]).unwrap();
        let whole = snapshot().with_added(&more, "the API").unwrap();
        assert_eq!(
            whole.families[STORAGE_TAG],
            set(&["192.0.2.0/24", "203.0.113.0/24"])
        );
        assert_eq!(
            whole.families[REGISTRY_TAG],
            snapshot().families[REGISTRY_TAG]
        );
        let added = whole.added.as_ref().unwrap();
        assert_eq!(added.change_number, 63);
        assert_eq!(
            added.families,
            BTreeMap::from([(STORAGE_TAG.to_owned(), set(&["203.0.113.0/24"]))])
        );
        assert_eq!(whole.change_number, snapshot().change_number);
    }

    #[test]
    fn an_added_registry_prefix_in_storage_has_the_whole_answer_refused() {
        let tags = [
            tag("Storage", &["203.0.113.0/24"]),
            tag(REGISTRY_TAG, &["192.0.2.128/25"]),
        ];
        let more = read(&[page(&tags, None)]).unwrap();
        let error = snapshot()
            .with_added(&more, "the API")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("the API: 192.0.2.128/25 is in"),
            "{error}"
        );
        let china = MoreTags {
            cloud: Cloud::China,
            ..more
        };
        assert!(snapshot().with_added(&china, "the API").is_err());
    }
}
