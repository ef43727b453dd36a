//! The packages that the machine installs: the one that is shipped, the same with an older version number, and one whose maps have
//! other layouts: a newer one, or an earlier release.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{arch::Arch, build, debian, dist, env, released, step::output_of};

/// Makes all three, and returns them with their names in the guest. With `from`, the release of that commit takes the place of the newer one.
///
/// # Errors
/// When a build or dpkg-deb fails.
pub(super) fn all(from: Option<&str>) -> Result<Vec<(PathBuf, &'static str)>> {
    let current = dist::debian_package(Arch::Amd64, &dist::Options::default())?;
    let previous = repack(&current, "previous", "~previous", None)?;
    let next = match from {
        Some(commit) => released::build(commit)?.package,
        None => {
            let program = build::next_layout_binary()?;
            repack(&current, "next", "+next", Some(&program))?
        }
    };
    Ok(vec![
        (previous, "previous.deb"),
        (current, "current.deb"),
        (next, "next.deb"),
    ])
}

/// Repacks the package with `suffix` appended to its version, and with another program where one is given.
fn repack(package: &Path, name: &str, suffix: &str, program: Option<&Path>) -> Result<PathBuf> {
    let dir = debian::made(env::target().join("vm"))?;
    let tree = dir.join(name);
    debian::remove(&tree)?;
    output_of(
        env::command("dpkg-deb")
            .arg("--raw-extract")
            .args([package, &tree]),
    )?;
    if let Some(program) = program {
        let installed = tree.join("usr/bin/egress-enforcer");
        build::strip(program, &installed)?;
    }
    let control = tree.join("DEBIAN/control");
    let text = fs::read_to_string(&control).context("a package has no control file")?;
    let changed: Vec<String> = text.lines().map(|line| with_suffix(line, suffix)).collect();
    fs::write(&control, changed.join("\n") + "\n").context("cannot write a control file")?;
    let made = dir.join(name).with_extension("deb");
    output_of(
        env::command("dpkg-deb")
            .args(["-Zgzip", "-z1", "--root-owner-group", "--build"])
            .args([&tree, &made]),
    )?;
    Ok(made)
}

fn with_suffix(line: &str, suffix: &str) -> String {
    if line.starts_with("Version: ") {
        format!("{line}{suffix}")
    } else {
        line.to_owned()
    }
}
