//! The binary and the Debian package of an earlier release, built from a commit of this repository by that commit's own `./x dist`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    arch::Arch,
    debian, env,
    step::{Step, output_of},
};

/// The last commit with layout version 2.
pub(crate) const COMMIT: &str = "8afc8cc";

/// A release.
pub(crate) struct Released {
    /// Abbreviated hash of its commit.
    pub(crate) commit: String,
    /// The program in the package.
    pub(crate) binary: PathBuf,
    /// The Debian package for this machine's architecture.
    pub(crate) package: PathBuf,
}

/// Builds the release of `commit`, unless the cache has it.
///
/// # Errors
/// When the repository does not have the commit, or its build fails.
pub(crate) fn build(commit: &str) -> Result<Released> {
    let hash = full_hash(commit)?;
    let dir = debian::made(env::cache().join("releases").join(&hash))?;
    let released = Released {
        commit: hash.chars().take(7).collect(),
        binary: dir.join("egress-enforcer"),
        package: dir.join("egress-enforcer.deb"),
    };
    if !released.binary.exists() {
        let package = package(&hash, &dir)?;
        fs::rename(&package, &released.package)
            .with_context(|| format!("cannot move {}", package.display()))?;
        debian::remove(&dir.join("out"))?;
        // Last, as it marks the release as complete.
        unpack(&released.package, &dir, &released.binary)?;
    }
    Ok(released)
}

fn full_hash(commit: &str) -> Result<String> {
    let name = format!("{commit}^{{commit}}");
    let parse = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
    let hash = output_of(git().args(parse).arg(name)).with_context(|| {
        format!(
            "this repository has no commit {commit}: a shallow clone needs git fetch --unshallow"
        )
    })?;
    Ok(hash.trim().to_owned())
}

/// Makes the package in a temporary worktree, and returns its path.
fn package(hash: &str, dir: &Path) -> Result<PathBuf> {
    let worktree = Worktree::add(hash, dir.join("source"))?;
    // A copy: another release may replace tools with versions of its own.
    let cache = debian::made(worktree.0.join(".cache"))?;
    let copy = ["--archive", "--reflink=auto"];
    output_of(env::command("cp").args(copy).args([env::tools(), cache]))?;
    let out = dir.join("out");
    debian::remove(&out)?;
    let mut command = env::command(worktree.0.join("x"));
    env::forget_cargo_run(&mut command);
    command
        .current_dir(&worktree.0)
        .env_remove("CARGO_TARGET_DIR")
        .args(["dist", "--deb-only", "--arch", Arch::OWN.debian(), "--out"])
        .arg(&out);
    Step {
        title: &format!("package of the release {hash}, by its own ./x dist"),
        usual: "6 min",
        log: "released",
    }
    .run(&mut command)?;
    let entries = fs::read_dir(&out).with_context(|| format!("cannot read {}", out.display()))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths
        .find(|path| path.extension().is_some_and(|is| is == "deb"))
        .with_context(|| format!("no package in {}", out.display()))
}

fn unpack(package: &Path, dir: &Path, place: &Path) -> Result<()> {
    let tree = dir.join("tree");
    debian::remove(&tree)?;
    let extract = ["--extract".as_ref(), package, &tree];
    output_of(env::command("dpkg-deb").args(extract))?;
    let program = tree.join("usr/bin/egress-enforcer");
    ensure!(program.exists(), "{} has no program", package.display());
    fs::rename(&program, place).with_context(|| format!("cannot move {}", program.display()))?;
    debian::remove(&tree)
}

/// A worktree that is removed when dropped.
struct Worktree(PathBuf);

impl Worktree {
    fn add(hash: &str, path: PathBuf) -> Result<Self> {
        // An interrupted build leaves one.
        let worktree = Self(path);
        worktree.remove();
        let add = ["worktree", "add", "--quiet", "--force", "--detach"];
        output_of(git().args(add).arg(&worktree.0).arg(hash))?;
        Ok(worktree)
    }

    fn remove(&self) {
        // Fails where git knows no worktree there.
        let remove = ["worktree", "remove", "--force", "--force"];
        drop(output_of(git().args(remove).arg(&self.0)));
        drop(debian::remove(&self.0));
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        self.remove();
    }
}

fn git() -> Command {
    env::command("git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_commit_is_an_error_that_names_it() {
        let error = full_hash("no-such-commit").unwrap_err().to_string();
        assert!(error.contains("no commit no-such-commit"), "{error}");
    }
}
