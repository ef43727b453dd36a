//! skopeo, which copies images without an engine.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use super::{ImageStore, Site};
use crate::{
    Lab,
    clients::{LIMIT, PULLED},
    fixtures::{process::run, process_env::ProcessEnv},
};

/// skopeo at a place, with a directory that images are copied to.
#[derive(Debug)]
pub struct Skopeo<'a> {
    lab: &'a Lab,
    env: ProcessEnv,
    dir: PathBuf,
}

impl<'a> Skopeo<'a> {
    /// Makes the directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(site: &Site<'a>) -> Result<Self> {
        Ok(Self {
            lab: site.lab,
            env: site.env.clone(),
            dir: site.lab.scratch().dir(&site.named("skopeo"))?,
        })
    }
}

impl ImageStore for Skopeo<'_> {
    fn pull(&self, image: &str) -> Result<()> {
        let (login_server, _name) = image.split_once('/').context("an image of a registry")?;
        let command = self.lab.pull_command(login_server, &self.env, &self.dir);
        run(command, LIMIT)?.success().map(drop)
    }

    fn remove(&self, _image: &str) -> Result<()> {
        fs::remove_dir_all(self.dir.join(PULLED)).context("remove a pulled image")
    }
}
