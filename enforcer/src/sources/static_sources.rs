//! Contents of the configuration and of the files that it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::file_stat::FileStat;
use super::forced::is_forced;
use super::persisted::PersistedSources;
use crate::azure::endpoints::{Endpoint, EndpointError, configured, of_file, unique};
use crate::azure::tags::{check_against_bundle, check_complete, check_not_older, import_file};
use crate::azure::{TagError, TagOrigin, TagSnapshot, bundle, configured_tags, required_tags};
use crate::config::{Config, Registry};
use crate::resolver::hosts::{HOSTS, HostsFile, NSSWITCH, system_hosts};

/// Why the service tags of the file are not in force, or are so only with `--force`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Concern {
    /// The bundle replaces them.
    Replaced(String),
    /// They are in force because of `tags import --force`.
    Forced(String),
}

impl Concern {
    /// Returns the reason as a sentence.
    pub fn why(&self) -> &str {
        match self {
            Self::Replaced(why) | Self::Forced(why) => why,
        }
    }
}

/// Contents of the configuration and of the files that it names.
#[derive(Clone, Debug)]
pub(crate) struct StaticSources {
    /// The service tags of the file, or of the bundle.
    pub(crate) tags: TagSnapshot,
    /// What the comparison of the file's tags with the bundle found wrong.
    pub(crate) concern: Option<Concern>,
    /// By registry, the names from the configuration alone.
    configured: Vec<Vec<Endpoint>>,
    /// By registry, the names of its endpoints file.
    files: Vec<Vec<Endpoint>>,
    /// The hosts file of the system.
    pub(crate) hosts: HostsFile,
    /// Files that could not be used at the start, with the reason; their persisted contents replace them.
    pub(crate) unusable: BTreeMap<PathBuf, String>,
    /// The state of each file before it was read, so that a change during the read is detected.
    file_stats: BTreeMap<PathBuf, FileStat>,
}

impl StaticSources {
    /// Reads everything that `config` names. A file that cannot be used is an error, unless `persisted` has its last valid contents.
    pub(crate) fn read(config: &Config, persisted: &PersistedSources) -> Result<Self> {
        let files = config.watched_files();
        let files = files.chain([HOSTS, NSSWITCH].map(Path::new));
        let file_stats = files.map(|file| (file.to_owned(), FileStat::of(file)));
        let file_stats = file_stats.collect();
        let mut unusable = BTreeMap::new();
        let tags = configured_tags(&config.protect);
        let tags = tags.or_else(|error| stand_in_tags(config, persisted, error, &mut unusable))?;
        let (tags, concern) = compare_with_bundle(config, tags)?;
        let cloud = config.protect.cloud;
        let registries = || config.registries.iter();
        let configured = registries().map(|registry| configured(registry, cloud));
        let files = registries().map(|registry| {
            let read = names_of_file(config, registry);
            read.or_else(|error| stand_in_names(config, registry, persisted, error, &mut unusable))
        });
        Ok(Self {
            tags,
            concern,
            configured: configured.collect::<Result<_, _>>()?,
            files: files.collect::<Result<_, _>>()?,
            hosts: system_hosts(),
            unusable,
            file_stats,
        })
    }

    /// Returns these tags, without registries.
    pub(crate) fn of_tags(tags: TagSnapshot) -> Self {
        Self {
            tags,
            concern: None,
            configured: Vec::new(),
            files: Vec::new(),
            hosts: HostsFile::default(),
            unusable: BTreeMap::new(),
            file_stats: BTreeMap::new(),
        }
    }

    /// Reads `file` again, which has endpoints, tags or addresses; nothing changes if it cannot be used.
    pub(crate) fn reread(&mut self, config: &Config, file: &Path) -> Result<()> {
        let file_stat = FileStat::of(file);
        if config.protect.service_tags.as_deref() == Some(file) {
            let protect = &config.protect;
            let fresh = import_file(file, protect.cloud, &required_tags(protect))?;
            check_not_older(&self.tags, &fresh)?;
            let fault =
                check_against_bundle(&fresh).and_then(|()| check_complete(&self.tags, &fresh));
            self.concern = match fault {
                Err(fault) if is_forced(&config.paths.state, &fresh) => Some(forced(&fault)),
                fault => fault.map(|()| None)?,
            };
            self.tags = fresh;
        }
        for (registry, names) in config.registries.iter().zip(&mut self.files) {
            if registry.endpoints_file.as_deref() == Some(file) {
                *names = names_of_file(config, registry)?;
            }
        }
        if [HOSTS, NSSWITCH].map(Path::new).contains(&file) {
            self.hosts = system_hosts();
        }
        self.unusable.remove(file);
        self.file_stats.insert(file.to_owned(), file_stat);
        Ok(())
    }

    /// Returns the names by registry, once for each source that has them.
    pub(crate) fn names(&self) -> impl Iterator<Item = impl Iterator<Item = &Endpoint>> {
        let registries = self.configured.iter().zip(&self.files);
        registries.map(|(configured, file)| configured.iter().chain(file))
    }

    /// Returns by registry the names of its endpoints file.
    pub(crate) fn files(&self) -> &[Vec<Endpoint>] {
        &self.files
    }

    /// Returns the files, each with its state before it was read.
    pub(crate) fn file_stats(&self) -> &BTreeMap<PathBuf, FileStat> {
        &self.file_stats
    }

    /// Returns the names by registry, without duplicates.
    pub(crate) fn endpoints(&self) -> Vec<Vec<Endpoint>> {
        self.names().map(|names| unique(names.cloned())).collect()
    }
}

/// Compares the tags of a file with the bundle, which replaces them if they are older or less complete.
fn compare_with_bundle(
    config: &Config,
    tags: TagSnapshot,
) -> Result<(TagSnapshot, Option<Concern>), TagError> {
    if tags.origin == TagOrigin::Bundle {
        return Ok((tags, None));
    }
    match check_against_bundle(&tags) {
        Ok(()) => Ok((tags, None)),
        Err(fault) if is_forced(&config.paths.state, &tags) => Ok((tags, Some(forced(&fault)))),
        Err(fault @ TagError::Bundle { .. }) => Err(fault),
        Err(fault) => {
            let place = bundle::in_place_of(tags)?;
            let made_of = bundle::header(place.cloud)?;
            let replaced = format!("{fault}; in force in their place: the bundle ({made_of})");
            Ok((place, Some(Concern::Replaced(replaced))))
        }
    }
}

fn forced(fault: &TagError) -> Concern {
    Concern::Forced(format!("in force by `tags import --force`: {fault}"))
}

fn names_of_file(config: &Config, registry: &Registry) -> Result<Vec<Endpoint>, EndpointError> {
    let Some(file) = &registry.endpoints_file else {
        return Ok(Vec::new());
    };
    of_file(file, &registry.login_server, config.protect.cloud)
}

fn stand_in_names(
    config: &Config,
    registry: &Registry,
    persisted: &PersistedSources,
    error: EndpointError,
    unusable: &mut BTreeMap<PathBuf, String>,
) -> Result<Vec<Endpoint>, EndpointError> {
    let file = registry.endpoints_file.as_ref();
    let Some((file, names)) = file.zip(persisted.names_of_file(registry, config.protect.cloud))
    else {
        return Err(error);
    };
    unusable.insert(file.clone(), error.to_string());
    Ok(names)
}

fn stand_in_tags(
    config: &Config,
    persisted: &PersistedSources,
    error: TagError,
    unusable: &mut BTreeMap<PathBuf, String>,
) -> Result<TagSnapshot, TagError> {
    let file = config.protect.service_tags.as_ref();
    let Some((file, tags)) = file.zip(persisted.tags(&config.protect)) else {
        return Err(error);
    };
    unusable.insert(file.clone(), error.to_string());
    Ok(tags.clone())
}
