//! A container, and what it sees of the machine.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// Directories of the machine that make its programs run in a container.
const PROGRAMS: [&str; 5] = ["/usr", "/bin", "/sbin", "/lib", "/lib64"];

/// A container to run from a pulled image.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// The image.
    pub image: &'a str,
    /// Arguments of the engine's client that choose the network, such as `--network=host`.
    pub network: &'a [&'a str],
    /// The parent of the container's cgroup, below the lab's: `/device/containers`.
    pub cgroup: &'a str,
    /// Directories that the container sees at the same places, besides those of the machine's programs.
    pub read_only: &'a [&'a Path],
    /// A directory that it sees at the same place and may write to.
    pub directory: &'a Path,
    /// The command with its arguments.
    pub command: &'a [String],
}

/// A directory of the machine, and where a container sees it.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) source: PathBuf,
    pub(super) target: PathBuf,
    pub(super) options: &'static str,
}

impl Container<'_> {
    pub(super) fn mounts(&self) -> Result<Vec<Mount>> {
        let programs = PROGRAMS.map(Path::new);
        let read_only = programs.iter().chain(self.read_only);
        let mut mounts = Vec::new();
        for target in read_only.filter(|target| target.exists()) {
            mounts.push(Mount {
                source: target
                    .canonicalize()
                    .with_context(|| format!("find {}", target.display()))?,
                target: (*target).to_owned(),
                options: "ro",
            });
        }
        mounts.push(Mount {
            source: self.directory.to_owned(),
            target: self.directory.to_owned(),
            options: "rw",
        });
        Ok(mounts)
    }

    /// The arguments of `docker run`, which podman has as well.
    pub(super) fn run_arguments(&self) -> Result<Vec<String>> {
        let mut arguments = ["run", "--rm", "--cgroup-parent", self.cgroup]
            .map(str::to_owned)
            .to_vec();
        for mount in self.mounts()? {
            let (source, target) = (mount.source.display(), mount.target.display());
            arguments.push(format!("--volume={source}:{target}:{}", mount.options));
        }
        arguments.extend(self.network.iter().map(|&argument| argument.to_owned()));
        arguments.push(self.image.to_owned());
        arguments.extend_from_slice(self.command);
        Ok(arguments)
    }
}

/// Returns the variables, program and arguments of `command` as a command line of env(1).
#[must_use]
pub fn argv(command: &Command) -> Vec<String> {
    let variables = command.get_envs().filter_map(|(name, value)| {
        let (name, value) = (name.to_string_lossy(), value?.to_string_lossy());
        Some(format!("{name}={value}"))
    });
    let program = [command.get_program()].into_iter();
    let words = program.chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().into_owned());
    ["env".to_owned()]
        .into_iter()
        .chain(variables)
        .chain(words)
        .collect()
}
