//! Files of persisted sources in the state directory.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::persisted::{PersistedNames, PersistedSources};
use crate::azure::{TagSnapshot, bundle};
use crate::config::{Cloud, Protect};
use crate::file::read_up_to;
use crate::name::Name;
use crate::state::write_whole;

/// File with the names from sources.
const NAMES: &str = "sources.json";
/// File with the service tags from a file or a URL, in the format of the bundle.
const TAGS: &str = "service-tags.bundle";
/// File with the additions of the Service Tag Discovery API, in the same format.
const MORE: &str = "service-tags-api.bundle";
/// Format version of `sources.json`; others are not read.
const VERSION: u32 = 1;
/// Maximum size of [`NAMES`], in bytes: some thousand replicas.
const MAX_NAMES: u64 = 1 << 20;
/// Maximum size of [`TAGS`] and [`MORE`], in bytes: ten times the public cloud's tags.
const MAX_TAGS: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
struct NamesFile {
    version: u32,
    registries: BTreeMap<Name, PersistedNames>,
}

/// Removes the service tags that are persisted in the directory `state`, so that the next start does not use them.
///
/// # Errors
/// If they exist and cannot be removed.
pub fn forget_tags(state: &Path) -> io::Result<()> {
    remove(&state.join(TAGS))
}

/// Reads the service tags that are persisted in the directory `state`; `None` if they cannot be read or lack a tag that `protect` requires.
pub fn persisted_tags(state: &Path, protect: &Protect) -> Option<TagSnapshot> {
    let (persisted, _) = PersistedSources::load(state, protect.cloud);
    persisted.tags(protect).cloned()
}

/// Removes `file`, if it exists.
pub(crate) fn remove(file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

impl PersistedSources {
    /// Reads the files in the directory `state`, with the tags of `cloud`. The second value names each file that cannot be used, with the reason.
    pub(crate) fn load(state: &Path, cloud: Cloud) -> (Self, Vec<String>) {
        let (mut persisted, mut damaged) = (Self::default(), Vec::new());
        match names(&state.join(NAMES)) {
            Ok(names) => persisted.names = names.unwrap_or_default(),
            Err(error) => damaged.push(format!("{}: {error}", state.join(NAMES).display())),
        }
        for (file, slot) in [(TAGS, &mut persisted.tags), (MORE, &mut persisted.more)] {
            match tags(&state.join(file), cloud) {
                Ok(tags) => *slot = tags,
                Err(error) => damaged.push(format!("{}: {error}", state.join(file).display())),
            }
        }
        (persisted, damaged)
    }

    /// Writes the files that differ from `before` to the directory `state`, each atomically.
    ///
    /// # Errors
    /// If a file cannot be written: the error with its path.
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
    use crate::config::{Registry, STORAGE_TAG, parse};

    fn persisted() -> PersistedSources {
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
    fn saved_sources_are_loaded_with_only_the_names_of_the_registry() {
        let directory = tempfile::tempdir().unwrap();
        persisted()
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
        assert_eq!(tags.families, persisted().tags.unwrap().families);
        let more = Protect {
            tags: vec![STORAGE_TAG.to_owned(), "Sql".to_owned()],
            ..Protect::default()
        };
        assert_eq!(loaded.tags(&more), None);
    }

    #[test]
    fn unchanged_sources_are_not_written_again() {
        let directory = tempfile::tempdir().unwrap();
        persisted().save(&persisted(), directory.path()).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_file_is_reported_and_the_others_are_used() {
        let directory = tempfile::tempdir().unwrap();
        persisted()
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
