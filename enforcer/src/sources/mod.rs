//! Everything that policy is made from: static sources (files and the command line), which are read together and taken together or not at
//! all, and dynamic ones (Azure, a mirror, DNS), which change while the daemon runs.

mod accepted;
mod answer_check;
mod dynamic_sources;
mod fetch;
mod forced;
mod merge;
mod persisted;
mod polled;
mod stamp;
mod static_sources;
mod status;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use enforcer_common::Class;

pub(crate) use self::accepted::keep_configuration;
pub(crate) use self::dynamic_sources::{DynamicSources, fetches};
pub(crate) use self::fetch::{Fetched, SourceRequest};
pub use self::forced::{force_tags, unforce_tags};
pub(crate) use self::persisted::PersistedSources;
pub use self::persisted::{forget_tags, persisted_tags};
pub(crate) use self::polled::{Failure, PolledSource, SourceHealth};
pub(crate) use self::stamp::{Inode, Stamp};
pub use self::static_sources::Concern;
pub(crate) use self::static_sources::StaticSources;
use crate::azure::endpoints::Endpoint;
use crate::azure::tags::{check_complete, check_not_older};
use crate::azure::{PrefixSet, TagSnapshot};
use crate::config::{self, Config, EndpointPattern, Mode, REGISTRY_TAG, STORAGE_TAG, Sni};
use crate::name::Name;
use crate::policy::{Layer, effective_address};

/// How the daemon was started.
#[derive(Debug)]
pub struct Options {
    /// Where the configuration comes from.
    pub source: Source,
    /// Audit, whatever the configuration says.
    pub audit: bool,
    /// Enforcement ends with the process.
    pub ephemeral: bool,
    /// The cgroup to govern, whatever the configuration says.
    pub scope: Option<PathBuf>,
}

/// Where the configuration comes from.
#[derive(Debug)]
pub enum Source {
    /// A file, read anew on reload.
    File(PathBuf),
    /// The command line.
    CommandLine(Box<Config>),
}

impl Source {
    /// The file, where there is one.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path.clone()),
            Self::CommandLine(_) => None,
        }
    }
}

/// What files, the command line and the sources that are followed say, validated as a whole.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The configuration, with the command line's word over it.
    pub config: Config,
    /// The service tags in force.
    pub tags: TagSnapshot,
    /// The names of each registry, in the configuration's order.
    pub endpoints: Vec<Vec<Endpoint>>,
    /// The configuration as it was written, where a file holds it.
    pub text: Option<String>,
    /// What the configuration and the files that it names say of it.
    pub(crate) given: StaticSources,
    /// The hosts that sources are asked at.
    pub(crate) hosts: Vec<Name>,
}

impl Sources {
    /// Reads everything that `options` name.
    ///
    /// # Errors
    /// The first thing that is unreadable or invalid; nothing of the rest may be used then.
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

    /// As [`Sources::read`], with `text` as the contents of the configuration at `path`.
    pub(crate) fn of_text_at(text: String, path: &Path, options: &Options) -> Result<Self> {
        let config = config::parse(&text, path)?;
        Self::of_config(config, Some(text), options, &PersistedSources::default())
    }

    /// As [`Sources::of_text_at`], with what an earlier run kept in place of a file that cannot be used.
    pub(crate) fn of_text_and_kept(text: String, path: &Path, options: &Options) -> Result<Self> {
        let config = config::parse(&text, path)?;
        let (kept, _) = PersistedSources::load(&config.paths.state, config.protect.cloud);
        Self::of_config(config, Some(text), options, &kept)
    }

    /// The service tags of `tags` and nothing open, for trying them out.
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
        kept: &PersistedSources,
    ) -> Result<Self> {
        if options.audit {
            config.mode = Mode::Audit;
        }
        if options.scope.is_some() {
            config.scope.clone_from(&options.scope);
        }
        let given = StaticSources::read(&config, kept)?;
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

    /// Whether configuration and service tags go together.
    fn check(&self) -> Result<()> {
        check_resolvers(&self.config, &self.tags)?;
        check_private_endpoints(&self.config, &self.tags)
    }

    /// Reads everything anew; the service tags must not be older than those in force, nor lack what these have.
    ///
    /// # Errors
    /// As [`Sources::read`].
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

    /// What is wrong with the service tags of the file.
    pub fn tags_concern(&self) -> Option<&Concern> {
        self.given.concern.as_ref()
    }

    /// The names of all registries.
    pub(crate) fn registry_names(&self) -> impl Iterator<Item = &Name> {
        self.endpoints
            .iter()
            .flatten()
            .map(|endpoint| &endpoint.name)
    }

    /// All names that are resolved.
    pub(crate) fn all_names(&self) -> impl Iterator<Item = &Name> {
        let exceptions = self
            .config
            .exceptions
            .iter()
            .flat_map(|exception| &exception.names);
        self.registry_names().chain(exceptions).chain(&self.hosts)
    }

    /// The patterns of all registries.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = (&EndpointPattern, Sni)> {
        let registries = self.config.registries.iter();
        registries.flat_map(|registry| {
            let patterns = registry.patterns.iter();
            patterns.map(|pattern| (pattern, registry.sni))
        })
    }

    /// The pattern that is written so.
    pub(crate) fn pattern(&self, text: &str) -> Option<&EndpointPattern> {
        let (pattern, _) = self
            .patterns()
            .find(|(pattern, _)| pattern.as_str() == text)?;
        Some(pattern)
    }

    /// The closed prefixes by class: the configuration's own first, so that a tag's reason is told where both close an address.
    ///
    /// # Errors
    /// Where a tag of the configuration is not among the service tags.
    pub fn layers(&self) -> Result<Vec<Layer>> {
        let own = Layer {
            class: Class::Configured,
            prefixes: self.config.protect.cidrs.clone(),
        };
        let mut layers = vec![own];
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
    /// The sources of a configuration, for tests.
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

/// The class of a tag, regional ones like the global one.
fn class_of(tag: &str) -> Class {
    match tag.split('.').next() {
        Some(STORAGE_TAG) => Class::Storage,
        Some(REGISTRY_TAG) => Class::Registry,
        _ => Class::Configured,
    }
}

/// A DNS server is always reachable, so one inside a protected tag would be a way out.
fn check_resolvers(config: &Config, tags: &TagSnapshot) -> Result<()> {
    for server in &config.dns.servers {
        for (tag, prefixes) in &tags.families {
            if prefixes.contains(effective_address(server.ip(), &config.protect.nat64)) {
                bail!(
                    "dns.servers: {} lies in the service tag {tag}, and a DNS server is never closed: name another",
                    server.ip()
                );
            }
        }
    }
    Ok(())
}

/// An answer in a private endpoint's prefix is not held against the tags, so a prefix over another service's addresses would open those
/// to whoever forges an answer.
fn check_private_endpoints(config: &Config, tags: &TagSnapshot) -> Result<()> {
    let others = tags
        .families
        .iter()
        .filter(|(tag, _)| class_of(tag) != Class::Registry);
    for (tag, closed) in others {
        for registry in &config.registries {
            let private = PrefixSet::from_iter(registry.private_endpoints.iter().copied());
            if let Some(common) = private.first_common(closed) {
                bail!(
                    "registry.private-endpoints: those of {} and the service tag {tag} have {common} in common, \
                     and no private endpoint of a registry lies there: write the prefixes of your own network",
                    registry.login_server
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(private_endpoints: &str) -> Result<Sources> {
        let text = format!(
            "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\nprivate-endpoints = [\"10.1.0.0/24\", \"{private_endpoints}\"]\n"
        );
        let config = config::parse(&text, "test.toml".as_ref())?;
        Sources::read(&Options {
            source: Source::CommandLine(Box::new(config)),
            audit: false,
            ephemeral: true,
            scope: None,
        })
    }

    /// Addresses of a storage stamp and of a registry's front end that public documents show.
    #[test]
    fn a_private_endpoint_lies_in_no_other_service() {
        for storage in ["52.239.169.228/32", "52.0.0.0/8"] {
            let error = read(storage).unwrap_err().to_string();
            for word in [
                "registry.private-endpoints",
                "contoso.azurecr.io",
                "Storage",
            ] {
                assert!(error.contains(word), "no {word:?} in: {error}");
            }
        }
        assert!(read("20.42.66.0/31").is_ok());
        assert!(read("172.16.0.0/12").is_ok());
    }
}
