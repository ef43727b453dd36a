//! Installation of Debian packages.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{env, step::Step};

/// Installs those of `packages` that are missing, without recommended ones.
///
/// # Errors
/// On a system without apt, without root, or when apt fails: the message names the missing packages.
pub(super) fn install(packages: &[&str]) -> Result<()> {
    if !has("dpkg-query") || !has("apt-get") {
        bail!(
            "this is not a Debian system: install the equivalents of these packages, then build with cargo: {}",
            packages.join(", ")
        );
    }
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| !is_installed(package))
        .collect();
    if missing.is_empty() {
        println!(
            "==> Debian packages: already there ({})",
            packages.join(", ")
        );
        return Ok(());
    }
    let names = missing.join(" ");
    if !is_root()? {
        bail!(
            "Debian packages are missing. Run:  sudo apt-get install --no-install-recommends {names}"
        );
    }
    update()?;
    let title = format!("apt installs {names}");
    Step {
        title: &title,
        usual: "30 s",
        log: "setup-apt-install",
    }
    .run(
        apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(&missing),
    )
    .map(drop)
}

/// Reads the package lists, twice where a mirror fails in the middle of an update.
fn update() -> Result<()> {
    let step = Step {
        title: "apt reads the package lists",
        usual: "5 s",
        log: "setup-apt-update",
    };
    let mut command = apt_get();
    // Without this, apt-get reports success when it could not read lists.
    command.args(["update", "--error-on=any"]);
    step.run(&mut command)
        .or_else(|_| step.run(&mut command))
        .map(drop)
}

fn apt_get() -> Command {
    let mut command = env::command("apt-get");
    // Waits for another apt, such as an unattended upgrade.
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-o", "DPkg::Lock::Timeout=300"]);
    command
}

fn is_installed(package: &str) -> bool {
    let query = env::command("dpkg-query")
        .args(["--show", "--showformat=${db:Status-Status}\n", package])
        .output();
    query.is_ok_and(|output| {
        output
            .stdout
            .split(|byte| *byte == b'\n')
            .any(|line| line == b"installed")
    })
}

fn has(program: &str) -> bool {
    env::command(program).arg("--version").output().is_ok()
}

fn is_root() -> Result<bool> {
    let id = env::command("id")
        .arg("-u")
        .output()
        .context("cannot run id")?;
    Ok(id.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_that_is_not_installed_is_missing() {
        assert!(!is_installed("no-such-package-egress-enforcer"));
    }

    #[test]
    fn a_program_that_is_not_here_is_not_found() {
        assert!(has("sh"));
        assert!(!has("no-such-program-egress-enforcer"));
    }
}
