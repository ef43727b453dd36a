//! The environment of every build: directories, search path and the variables cargo is given.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

/// The workspace.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// What set-up brings: outlives `target/`, never under version control.
pub(crate) fn cache() -> PathBuf {
    root().join(".cache")
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Where cargo keeps what it downloads.
///
/// # Errors
/// Where neither `CARGO_HOME` nor `HOME` is set.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let named = env::var_os("CARGO_HOME").map(PathBuf::from);
    named
        .or_else(home)
        .context("neither CARGO_HOME nor HOME is set")
}

/// The target of static binaries for machines of `arch` (as in `x86_64`).
pub(crate) fn static_target(arch: &str) -> String {
    format!("{arch}-unknown-linux-musl")
}

/// The target of everything that runs here: tests, too, link the C library that is shipped, and one build serves all of them.
pub(crate) fn own_target() -> String {
    static_target(env::consts::ARCH)
}

/// Where development builds for `arch` end.
pub(crate) fn dev_dir(arch: &str) -> PathBuf {
    target().join(static_target(arch)).join("debug")
}

/// `program` in the workspace, with the project's own tools first in its search path.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).env("PATH", search_path());
    command
}

/// Cargo as every task calls it: `EGRESS_ENFORCER_BPF=build` has the kernel programs compiled in.
///
/// The variables that `cargo run` set for this program are taken away again: build scripts watch some of
/// them and would build their crates anew on every change between `cargo xtask` and plain cargo.
pub(crate) fn cargo() -> Command {
    let mut command = command("cargo");
    command.env("EGRESS_ENFORCER_BPF", "build");
    // What there is of C code calls no C library, so the compiler of the host will do.
    command.env(format!("CC_{}", own_target().replace('-', "_")), "cc");
    for (name, _) in env::vars_os() {
        if is_set_by_cargo_run(&name) {
            command.env_remove(name);
        }
    }
    command
}

/// The tools that set-up builds: `bin/` in here comes first in every search path.
pub(crate) fn tools() -> PathBuf {
    cache().join("tools")
}

fn search_path() -> OsString {
    let mut path = tools().join("bin").into_os_string();
    if let Some(rest) = env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

fn is_set_by_cargo_run(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    name == "CARGO"
        || ["CARGO_PKG_", "CARGO_MANIFEST_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_variables_of_cargo_run_are_taken_away() {
        for taken in ["CARGO", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR"] {
            assert!(is_set_by_cargo_run(OsStr::new(taken)), "{taken}");
        }
        for kept in [
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_NET_OFFLINE",
            "PATH",
        ] {
            assert!(!is_set_by_cargo_run(OsStr::new(kept)), "{kept}");
        }
    }

    #[test]
    fn the_projects_own_tools_come_first() {
        let path = search_path();
        let first = env::split_paths(&path).next();
        assert_eq!(first, Some(tools().join("bin")));
    }
}
