//! Inputs of the policy: static sources (files and the command line), which are read and accepted as a whole, and dynamic ones (Azure, a
//! mirror, DNS), which change while the daemon runs.

mod accepted;
mod answer_check;
mod consistency;
mod dynamic_sources;
mod fetch;
mod file_stat;
mod forced;
mod merge;
mod persisted;
mod persisted_files;
mod polled;
mod static_sources;
mod status;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use enforcer_common::Class;

pub(crate) use self::accepted::keep_configuration;
pub(crate) use self::dynamic_sources::{DynamicSources, fetches};
pub(crate) use self::fetch::{Fetched, SourceRequest};
pub(crate) use self::file_stat::{FileStat, Inode};
pub use self::forced::{force_tags, unforce_tags};
pub(crate) use self::persisted::PersistedSources;
pub use self::persisted_files::{forget_tags, persisted_tags};
pub(crate) use self::polled::{Failure, PolledSource, SourceHealth};
pub use self::static_sources::Concern;
pub(crate) use self::static_sources::StaticSources;
use crate::azure::TagSnapshot;
use crate::azure::endpoints::Endpoint;
use crate::azure::tags::{check_complete, check_not_older};
use crate::config::{self, Config, EndpointPattern, Mode, REGISTRY_TAG, STORAGE_TAG, Sni};
use crate::name::Name;
use crate::policy::Layer;

/// Start options of the daemon.
#[derive(Debug)]
pub struct Options {
    /// Source of the configuration.
    pub source: Source,
    /// Overrides the configured mode with audit.
    pub audit: bool,
    /// Enforcement ends with the process.
    pub ephemeral: bool,
    /// Overrides the configured scope, the cgroup to govern.
    pub scope: Option<PathBuf>,
}

/// Source of the configuration.
#[derive(Debug)]
pub enum Source {
    /// A file, read again on reload.
    File(PathBuf),
    /// The command line.
    CommandLine(Box<Config>),
}

impl Source {
    /// Returns the path of the configuration, if it is a file.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path.clone()),
            Self::CommandLine(_) => None,
        }
    }
}

/// Contents of all static and dynamic sources, validated as a whole.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The configuration, with overrides from the command line.
    pub config: Config,
    /// The service tags in force.
    pub tags: TagSnapshot,
    /// The names of each registry, in the configuration's order.
    pub endpoints: Vec<Vec<Endpoint>>,
    /// The text of the configuration, if it comes from a file.
    pub text: Option<String>,
    /// The contents of the configuration and of the files that it names.
    pub(crate) given: StaticSources,
    /// The hosts that sources are fetched from.
    pub(crate) hosts: Vec<Name>,
}

impl Sources {
    /// Reads everything that `options` name.
    ///
    /// # Errors
    /// If any input is unreadable or invalid; then none may be used.
    pub fn read(options: &Options) -> Result<Self> {
        match &options.source {
            Source::File(path) => Self::of_text_at(config::read(path)?, path, options),
            Source::CommandLine(config) => Self::of_config(
                (**config).clone(),
                None,
                options,
                &PersistedSources::default(),
            ),
        }
    }

    /// Like [`Sources::read`], with `text` as the contents of the configuration at `path`.
    pub(crate) fn of_text_at(text: String, path: &Path, options: &Options) -> Result<Self> {
        let config = config::parse(&text, path)?;
        Self::of_config(config, Some(text), options, &PersistedSources::default())
    }

    /// Like [`Sources::of_text_at`], but replaces an unusable file with the contents that an earlier run persisted.
    pub(crate) fn of_text_and_persisted(
        text: String,
        path: &Path,
        options: &Options,
    ) -> Result<Self> {
        let config = config::parse(&text, path)?;
        let (persisted, _) = PersistedSources::load(&config.paths.state, config.protect.cloud);
        Self::of_config(config, Some(text), options, &persisted)
    }

    /// Returns sources with these service tags and no allowed names, to evaluate a policy on trial.
    pub(crate) fn of_tags(config: Config, tags: TagSnapshot) -> Self {
        let given = StaticSources::of_tags(tags);
        Self {
            config,
            tags: given.tags.clone(),
            endpoints: Vec::new(),
            text: None,
            given,
            hosts: Vec::new(),
        }
    }

    fn of_config(
        mut config: Config,
        text: Option<String>,
        options: &Options,
        persisted: &PersistedSources,
    ) -> Result<Self> {
        if options.audit {
            config.mode = Mode::Audit;
        }
        if options.scope.is_some() {
            config.scope.clone_from(&options.scope);
        }
        if options.scope.is_some() || options.ephemeral {
            config.frames.leave_auto();
        }
        let given = StaticSources::read(&config, persisted)?;
        let sources = Self {
            tags: given.tags.clone(),
            endpoints: given.endpoints(),
            config,
            text,
            given,
            hosts: Vec::new(),
        };
        sources.check()?;
        Ok(sources)
    }

    /// Reads all sources again; the service tags must be neither older nor less complete than those in force.
    ///
    /// # Errors
    /// As [`Sources::read`]; also if the service tags are older or less complete, or if the paths or the scope changed.
    pub(crate) fn reread(&self, options: &Options) -> Result<Self> {
        let fresh = Self::read(options)?;
        if fresh.tags.cloud == self.tags.cloud {
            let (current, new) = (&self.given.tags, &fresh.given.tags);
            let checked = check_not_older(current, new);
            match &fresh.given.concern {
                Some(Concern::Replaced(why)) if checked.is_err() => bail!("{why}"),
                Some(Concern::Forced(_)) => checked?,
                _ => checked.and_then(|()| check_complete(current, new))?,
            }
        }
        if fresh.config.paths != self.config.paths || fresh.config.scope != self.config.scope {
            bail!("paths and scope cannot change while the daemon runs: restart it for that");
        }
        Ok(fresh)
    }

    /// Returns what is wrong with the service tags of the file.
    pub fn tags_concern(&self) -> Option<&Concern> {
        self.given.concern.as_ref()
    }

    /// Returns the names of all registries.
    pub(crate) fn registry_names(&self) -> impl Iterator<Item = &Name> {
        self.endpoints
            .iter()
            .flatten()
            .map(|endpoint| &endpoint.name)
    }

    /// Returns all names that are resolved.
    pub(crate) fn all_names(&self) -> impl Iterator<Item = &Name> {
        let exceptions = self
            .config
            .exceptions
            .iter()
            .flat_map(|exception| &exception.names);
        self.registry_names().chain(exceptions).chain(&self.hosts)
    }

    /// Returns the patterns of all registries.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = (&EndpointPattern, Sni)> {
        let registries = self.config.registries.iter();
        registries.flat_map(|registry| {
            let patterns = registry.patterns.iter();
            patterns.map(|pattern| (pattern, registry.sni))
        })
    }

    /// Returns the pattern with this text.
    pub(crate) fn pattern(&self, text: &str) -> Option<&EndpointPattern> {
        let (pattern, _) = self
            .patterns()
            .find(|(pattern, _)| pattern.as_str() == text)?;
        Some(pattern)
    }

    /// Returns the protected prefixes by class. Configured ones come first, so that an address in both is denied with the tag's reason.
    ///
    /// # Errors
    /// If a tag of the configuration is not among the service tags.
    pub fn layers(&self) -> Result<Vec<Layer>> {
        let configured = Layer {
            class: Class::Configured,
            prefixes: self.config.protect.cidrs.clone(),
        };
        let mut layers = vec![configured];
        for tag in &self.config.protect.tags {
            let family = self
                .tags
                .family(tag)
                .context("cannot close a tag of protect.tags")?;
            layers.push(Layer {
                class: class_of(tag),
                prefixes: family.iter().collect(),
            });
        }
        Ok(layers)
    }
}

#[cfg(test)]
impl Sources {
    /// Parses sources from the text of a configuration.
    pub(crate) fn of_text(text: &str) -> Self {
        let config = config::parse(text, "test.toml".as_ref()).unwrap();
        Self::read(&Options {
            source: Source::CommandLine(Box::new(config)),
            audit: false,
            ephemeral: true,
            scope: None,
        })
        .unwrap()
    }
}

/// Returns the class of a tag; regional tags have that of the global one.
fn class_of(tag: &str) -> Class {
    match tag.split('.').next() {
        Some(STORAGE_TAG) => Class::Storage,
        Some(REGISTRY_TAG) => Class::Registry,
        _ => Class::Configured,
    }
}
