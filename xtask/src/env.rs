//! Environment of every build: directories, search path and cargo's variables.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

/// Root of the workspace.
pub(crate) fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Cache of downloads and tools; survives `cargo clean` and is never under version control.
pub(crate) fn cache() -> PathBuf {
    root().join(".cache")
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Cargo's home directory, with its downloads.
///
/// # Errors
/// When neither `CARGO_HOME` nor `HOME` is set.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cargo"));
    let named = env::var_os("CARGO_HOME").map(PathBuf::from);
    named
        .or_else(home)
        .context("neither CARGO_HOME nor HOME is set")
}

/// Rust target of static binaries for `arch` (such as `x86_64`).
pub(crate) fn static_target(arch: &str) -> String {
    format!("{arch}-unknown-linux-musl")
}

/// Rust target of everything that runs here, tests included: one build serves all of it.
pub(crate) fn own_target() -> String {
    static_target(env::consts::ARCH)
}

/// Directory of development builds for `arch`.
pub(crate) fn dev_dir(arch: &str) -> PathBuf {
    target().join(static_target(arch)).join("debug")
}

/// Command that runs `program` in the workspace, with the project's tools first in its search path.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).env("PATH", search_path());
    command
}

/// Cargo command for all tasks. With `EGRESS_ENFORCER_BPF=build`, builds include the kernel programs.
pub(crate) fn cargo() -> Command {
    let mut command = command("cargo");
    command.env("EGRESS_ENFORCER_BPF", "build");
    // The C code calls no C library, so the host's compiler suffices.
    command.env(format!("CC_{}", own_target().replace('-', "_")), "cc");
    forget_cargo_run(&mut command);
    command
}

/// Removes the variables that `cargo run` set for this program: build scripts watch some of them, and each change between
/// `cargo xtask` and plain cargo would rebuild their crates.
pub(crate) fn forget_cargo_run(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if is_set_by_cargo_run(&name) {
            command.env_remove(name);
        }
    }
}

/// Directory of the tools that set-up builds; its `bin/` comes first in every search path.
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
