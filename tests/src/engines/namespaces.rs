//! The namespaces of an engine's processes.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use super::Site;
use crate::fixtures::{process_env::ProcessEnv, server::Server, tool_cache::ToolCache};

const SCRIPT: &str = include_str!("../../lab/engine_namespaces.sh");
/// Time limit for the mounts.
const LIMIT: Duration = Duration::from_secs(60);
/// Directories of programs in Debian's packages.
const PROGRAMS: [&str; 4] = ["usr/sbin", "usr/bin", "sbin", "bin"];

/// A mount namespace and a cgroup namespace for one engine, and its directory.
#[derive(Debug)]
pub(super) struct Namespaces {
    holder: Server,
    env: ProcessEnv,
    cache: ToolCache,
    authority: PathBuf,
    dir: PathBuf,
    search_path: OsString,
    extensions: PathBuf,
}

impl Namespaces {
    /// Makes the namespaces for an engine's processes at `site`, and a directory in the lab's.
    ///
    /// # Errors
    /// When the kernel refuses, or a tool of util-linux is missing.
    pub(super) fn new(site: &Site<'_>, engine: &str) -> Result<Self> {
        let (lab, name) = (site.lab, site.named(engine));
        let dir = lab.scratch().dir(&name)?;
        let ready = dir.join("namespaces");
        // The cgroup of the caller becomes the root that the namespace shows.
        let mut command = lab.device_in(lab.cgroup()).command("unshare");
        command
            .args(["--cgroup", "--mount", "--propagation", "unchanged"])
            .args(["sh", "-c", SCRIPT, "sh"])
            .arg(&ready)
            .arg(lab.cache().library_path());
        let mut holder = Server::start(&format!("{name}-namespaces"), command, lab.dir())?;
        holder.await_ready(LIMIT, || ready.exists())?;
        Ok(Self {
            holder,
            env: site.env.clone(),
            search_path: search_path(lab.cache())?,
            extensions: lab.cache().library_dir("xtables")?,
            cache: lab.cache().clone(),
            authority: lab.certificates().ca(),
            dir,
        })
    }

    /// The engine's directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of a file in Debian's packages.
    pub(super) fn debian(&self, path: &str) -> PathBuf {
        self.cache.path("root").join(path)
    }

    /// A command for a program in Debian's packages or on the machine, in the namespaces and in the engine's cgroup.
    pub(super) fn command(&self, program: &str) -> Command {
        let of = |kind: &str| format!("/proc/{}/ns/{kind}", self.holder.pid());
        let mut command = self.env.command("nsenter");
        command
            .arg(format!("--mount={}", of("mnt")))
            .arg(format!("--cgroup={}", of("cgroup")))
            .arg(program)
            .env("PATH", &self.search_path)
            // The extensions of iptables.
            .env("XTABLES_LIBDIR", &self.extensions)
            .env("SSL_CERT_FILE", &self.authority)
            .env("HOME", &self.dir)
            // Without this, dockerd loads a profile into the machine's AppArmor.
            .env("container", "lab");
        command
    }
}

/// Programs of Debian's packages first, then the machine's.
fn search_path(cache: &ToolCache) -> Result<OsString> {
    let root = cache.path("root");
    let packages = PROGRAMS.map(|dir| root.join(dir));
    let machine = PROGRAMS.map(|dir| Path::new("/").join(dir));
    env::join_paths(packages.into_iter().chain(machine)).context("name the programs")
}
