//! What sources last said, in the state directory: a start with a damaged file, or without a network, goes by it.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::azure::endpoints::{Endpoint, Provenance};
use crate::azure::tags::ApiTags;
use crate::azure::{TagSnapshot, bundle, required_tags};
use crate::config::{Cloud, Protect, Registry};
use crate::file::read_up_to;
use crate::name::Name;
use crate::state::{Replicas, write_whole};

/// The names that sources gave.
const NAMES: &str = "sources.json";
/// The service tags of a file or a URL, as the bundle is written.
const TAGS: &str = "service-tags.bundle";
/// What the Service Tag Discovery API added to them, in the same way.
const MORE: &str = "service-tags-api.bundle";
/// The layout of `sources.json`; another one is not read.
const VERSION: u32 = 1;
/// The largest files that are read, in bytes: some thousand replicas, and ten times the public cloud's tags.
const MAX_NAMES: u64 = 1 << 20;
const MAX_TAGS: u64 = 4 << 20;

/// Removes the service tags that are kept in the directory `state`, so that the next start goes by those that are given.
///
/// # Errors
/// Where they are there and cannot be removed.
pub fn forget_tags(state: &Path) -> io::Result<()> {
    remove(&state.join(TAGS))
}

/// The service tags that are kept in the directory `state`, where they can be read and have all that `protect` calls for.
pub fn persisted_tags(state: &Path, protect: &Protect) -> Option<TagSnapshot> {
    let (kept, _) = PersistedSources::load(state, protect.cloud);
    kept.tags(protect).cloned()
}

/// Removes `file`, if it is there.
pub(crate) fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What sources last said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PersistedSources {
    names: BTreeMap<Name, PersistedNames>,
    tags: Option<TagSnapshot>,
    more: Option<TagSnapshot>,
}

/// The names of one registry by source, each with when it was last confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct PersistedNames {
    /// Those of its endpoints file.
    pub(crate) file: BTreeMap<Name, Timestamp>,
    /// Those that Azure Resource Manager told.
    pub(crate) manager: BTreeMap<Name, Timestamp>,
    /// Regions for which DNS told one.
    pub(crate) discovered: BTreeMap<String, Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct NamesFile {
    version: u32,
    registries: BTreeMap<Name, PersistedNames>,
}

impl PersistedSources {
    /// These names and tags, and what the Discovery API added.
    pub(crate) fn new(
        names: BTreeMap<Name, PersistedNames>,
        tags: Option<TagSnapshot>,
        more: Option<&ApiTags>,
    ) -> Self {
        let more = more.map(ApiTags::to_snapshot);
        Self { names, tags, more }
    }

    /// Reads what is kept in the directory `state`, of tags those of `cloud`. The second value says what of it cannot be used.
    pub(crate) fn load(state: &Path, cloud: Cloud) -> (Self, Vec<String>) {
        let (mut kept, mut damaged) = (Self::default(), Vec::new());
        match names(&state.join(NAMES)) {
            Ok(names) => kept.names = names.unwrap_or_default(),
            Err(error) => damaged.push(format!("{}: {error}", state.join(NAMES).display())),
        }
        for (file, slot) in [(TAGS, &mut kept.tags), (MORE, &mut kept.more)] {
            match tags(&state.join(file), cloud) {
                Ok(tags) => *slot = tags,
                Err(error) => damaged.push(format!("{}: {error}", state.join(file).display())),
            }
        }
        (kept, damaged)
    }

    /// Writes what differs from `before` to the directory `state`, each file whole or not at all.
    ///
    /// # Errors
    /// What the system says, with the file.
    pub(crate) fn save(&self, before: &Self, state: &Path) -> io::Result<()> {
        let write = |file: &str, bytes: &[u8]| {
            let path = state.join(file);
            write_whole(&path, 0o600, |file| file.write_all(bytes)).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })
        };
        if self.names != before.names {
            let file = NamesFile {
                version: VERSION,
                registries: self.names.clone(),
            };
            write(NAMES, &serde_json::to_vec(&file)?)?;
        }
        let tags = [
            (TAGS, &self.tags, &before.tags),
            (MORE, &self.more, &before.more),
        ];
        for (file, tags, before) in tags {
            if let Some(tags) = tags.as_ref().filter(|tags| Some(*tags) != before.as_ref()) {
                write(file, bundle::export(tags).as_bytes())?;
            }
        }
        Ok(())
    }

    /// What the Service Tag Discovery API added.
    pub(crate) fn more(&self) -> Option<ApiTags> {
        self.more.clone().map(ApiTags::from)
    }

    /// The service tags, where they have all that `protect` calls for.
    pub(crate) fn tags(&self, protect: &Protect) -> Option<&TagSnapshot> {
        let has_all = |tags: &&TagSnapshot| {
            tags.cloud == protect.cloud
                && required_tags(protect)
                    .iter()
                    .all(|tag| tags.families.contains_key(tag))
        };
        self.tags.as_ref().filter(has_all)
    }

    /// The names of a registry's endpoints file; `None` where there are none.
    pub(crate) fn names_of_file(&self, registry: &Registry, cloud: Cloud) -> Option<Vec<Endpoint>> {
        let file = registry.endpoints_file.clone()?;
        let names = &self.of(&registry.login_server)?.file;
        let origin = Provenance::File(file);
        let endpoints = endpoints(names, &registry.login_server, cloud, &origin);
        (!endpoints.is_empty()).then_some(endpoints)
    }

    /// The replicas that DNS told, of all registries.
    pub(crate) fn replicas(&self) -> Replicas {
        let kept = self.names.iter();
        kept.map(|(login_server, kept)| (login_server.clone(), kept.discovered.clone()))
            .collect()
    }

    /// What is kept of a registry.
    pub(crate) fn of(&self, login_server: &Name) -> Option<&PersistedNames> {
        self.names.get(login_server)
    }
}

/// Those of `names` that are the registry's own: the file may have been written for another configuration.
pub(crate) fn endpoints(
    names: &BTreeMap<Name, Timestamp>,
    login_server: &Name,
    cloud: Cloud,
    origin: &Provenance,
) -> Vec<Endpoint> {
    let endpoint = |name: &Name| {
        Some(Endpoint {
            name: name.clone(),
            kind: cloud.endpoint_kind(login_server, name)?,
            origin: origin.clone(),
        })
    };
    names.keys().filter_map(endpoint).collect()
}

fn names(path: &Path) -> io::Result<Option<BTreeMap<Name, PersistedNames>>> {
    let Some(bytes) = read(path, MAX_NAMES)? else {
        return Ok(None);
    };
    let file: NamesFile = serde_json::from_slice(&bytes)?;
    if file.version != VERSION {
        let problem = format!(
            "has version {}, this daemon reads version {VERSION}",
            file.version
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(Some(file.registries))
}

fn tags(path: &Path, cloud: Cloud) -> io::Result<Option<TagSnapshot>> {
    let Some(bytes) = read(path, MAX_TAGS)? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    bundle::kept(&text, cloud)
        .map(Some)
        .map_err(io::Error::other)
}

fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    match read_up_to(path, limit) {
        Ok(Some(bytes)) => Ok(Some(bytes)),
        Ok(None) => Err(io::Error::other("is larger than any daemon writes")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{STORAGE_TAG, parse};

    fn kept() -> PersistedSources {
        let at = "2026-10-01T08:00:00Z".parse().unwrap();
        let name = |text: &str| (text.parse().unwrap(), at);
        let names = PersistedNames {
            file: [
                name("contoso.eastus.data.azurecr.io"),
                name("evil.eastus.data.azurecr.io"),
            ]
            .into(),
            ..PersistedNames::default()
        };
        let tags = bundle::load(Cloud::Public).unwrap();
        PersistedSources::new(
            [("contoso.azurecr.io".parse().unwrap(), names)].into(),
            Some(tags),
            None,
        )
    }

    fn registry() -> Registry {
        let text =
            "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\nendpoints-file = \"c.json\"\n";
        parse(text, "/x/config.toml".as_ref())
            .unwrap()
            .registries
            .remove(0)
    }

    #[test]
    fn what_is_saved_is_loaded_and_only_the_registrys_own_names_count() {
        let directory = tempfile::tempdir().unwrap();
        kept()
            .save(&PersistedSources::default(), directory.path())
            .unwrap();
        let (loaded, damaged) = PersistedSources::load(directory.path(), Cloud::Public);
        assert_eq!(damaged, [""; 0]);
        let names = loaded.names_of_file(&registry(), Cloud::Public).unwrap();
        let names: Vec<&str> = names
            .iter()
            .map(|endpoint| endpoint.name.as_str())
            .collect();
        assert_eq!(names, ["contoso.eastus.data.azurecr.io"]);
        let tags = loaded.tags(&Protect::default()).unwrap();
        assert_eq!(tags.families, kept().tags.unwrap().families);
        let more = Protect {
            tags: vec![STORAGE_TAG.to_owned(), "Sql".to_owned()],
            ..Protect::default()
        };
        assert_eq!(loaded.tags(&more), None);
    }

    #[test]
    fn what_did_not_change_is_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        kept().save(&kept(), directory.path()).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_damaged_is_told_and_the_rest_is_used() {
        let directory = tempfile::tempdir().unwrap();
        kept()
            .save(&PersistedSources::default(), directory.path())
            .unwrap();
        fs::write(directory.path().join(NAMES), "{\"version\":1,").unwrap();
        let (loaded, damaged) = PersistedSources::load(directory.path(), Cloud::Public);
        assert!(loaded.names.is_empty() && loaded.tags.is_some());
        assert!(
            damaged.len() == 1 && damaged[0].contains(NAMES),
            "{damaged:?}"
        );
        fs::write(
            directory.path().join(NAMES),
            "{\"version\":2,\"registries\":{}}",
        )
        .unwrap();
        fs::write(directory.path().join(TAGS), "cloud Public\n").unwrap();
        let (loaded, damaged) = PersistedSources::load(directory.path(), Cloud::Public);
        assert_eq!(loaded, PersistedSources::default());
        assert_eq!(damaged.len(), 2);
    }
}
