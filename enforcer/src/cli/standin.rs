//! Stand-ins until the daemon and the control client are there.
#![expect(missing_docs, clippy::unused_async, reason = "temporary")]

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use enforcer_common::Class;

use crate::azure::endpoints::{Endpoint, endpoints};
use crate::azure::{TagSnapshot, snapshot};
use crate::config::{self, Config, Mode, REGISTRY_TAG, STORAGE_TAG};
use crate::control::{EventRecord, Status};
use crate::policy::Layer;

#[derive(Debug)]
pub struct Options {
    pub source: Source,
    pub audit: bool,
    pub ephemeral: bool,
    pub scope: Option<PathBuf>,
}

#[derive(Debug)]
pub enum Source {
    File(PathBuf),
    Given(Box<Config>),
}

#[derive(Debug)]
pub struct Sources {
    pub config: Config,
    pub tags: TagSnapshot,
    pub endpoints: Vec<Vec<Endpoint>>,
}

impl Sources {
    pub fn read(options: &Options) -> Result<Self> {
        let mut config = match &options.source {
            Source::File(path) => config::load(path)?,
            Source::Given(config) => (**config).clone(),
        };
        if options.audit {
            config.mode = Mode::Audit;
        }
        if options.scope.is_some() {
            config.scope.clone_from(&options.scope);
        }
        let tags = snapshot(&config.protect)?;
        let cloud = config.protect.cloud;
        let endpoints: Result<_, _> = config
            .registries
            .iter()
            .map(|registry| endpoints(registry, cloud))
            .collect();
        Ok(Self {
            endpoints: endpoints?,
            config,
            tags,
        })
    }

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
            let class = match tag.split('.').next() {
                Some(STORAGE_TAG) => Class::Storage,
                Some(REGISTRY_TAG) => Class::Registry,
                _ => Class::Configured,
            };
            layers.push(Layer {
                class,
                prefixes: family.iter().collect(),
            });
        }
        Ok(layers)
    }
}

pub fn run(_options: Options) -> Result<()> {
    bail!("not built yet")
}

#[derive(Debug, thiserror::Error)]
#[error("no daemon answers at {}: start it (systemctl start egress-enforcer)", .0.display())]
pub struct ControlError(pub PathBuf);

pub async fn get_status(runtime_dir: &Path) -> Result<Status, ControlError> {
    Err(ControlError(runtime_dir.to_owned()))
}

pub async fn events(runtime_dir: &Path, _since: u64) -> Result<Vec<EventRecord>, ControlError> {
    Err(ControlError(runtime_dir.to_owned()))
}

pub async fn follow(
    runtime_dir: &Path,
    _since: u64,
    _each: impl FnMut(EventRecord),
) -> Result<(), ControlError> {
    Err(ControlError(runtime_dir.to_owned()))
}
