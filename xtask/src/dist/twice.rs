//! Check that the packages do not depend on the directory that they are built in.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::job::{Options, epoch};
use crate::{env, step::Step, step::output_of};

/// Makes everything again from a copy of the workspace in another directory, with nothing built there before, and compares
/// each of `made`.
///
/// # Errors
/// When that fails, or a file differs; the message names each.
pub(super) fn check(options: &Options, made: &[PathBuf]) -> Result<()> {
    let dir = env::target().join("dist-twice");
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    }
    let copy = dir.join("another-and-longer-name");
    copy_to(&copy)?;
    let out = dir.join("out");
    let mut again = Command::new("cargo");
    again
        .current_dir(&copy)
        .args([
            "xtask",
            "dist",
            "--version-suffix",
            &options.version_suffix,
            "--out",
        ])
        .arg(&out)
        .env_remove("CARGO_TARGET_DIR")
        .env("SOURCE_DATE_EPOCH", epoch()?.to_string());
    if options.deb_only {
        again.arg("--deb-only");
    }
    if let Some(arch) = options.arch {
        again.args(["--arch", arch.debian()]);
    }
    Step {
        title: "everything again in another directory",
        usual: "10 min",
        log: "dist-twice",
    }
    .run(&mut again)?;
    compare(made, &out)
}

/// Copies the files that git would commit, and links the tools of set-up.
fn copy_to(copy: &Path) -> Result<()> {
    let mut git = env::command("git");
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    for name in output_of(&mut git)?.split_terminator('\0') {
        let place = copy.join(name);
        let dir = place.parent().unwrap_or(copy);
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        fs::copy(env::root().join(name), &place).with_context(|| format!("cannot copy {name}"))?;
    }
    symlink(env::cache(), copy.join(".cache")).context("cannot link the tools")
}

fn compare(made: &[PathBuf], out: &Path) -> Result<()> {
    let mut differ = Vec::new();
    for first in made {
        let name = first.file_name().unwrap_or_default();
        let same = fs::read(first)? == fs::read(out.join(name)).unwrap_or_default();
        println!(
            "    {}: {}",
            name.display(),
            if same { "the same" } else { "DIFFERS" }
        );
        if !same {
            differ.push(name.display().to_string());
        }
    }
    ensure!(
        differ.is_empty(),
        "two builds differ: {}",
        differ.join(", ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_other_bytes_and_one_that_is_missing_are_named() {
        let dir = std::env::temp_dir().join(format!("twice-{}", std::process::id()));
        fs::create_dir_all(dir.join("out")).unwrap();
        let made = ["same", "other", "missing"].map(|name| dir.join(name));
        for file in &made {
            fs::write(file, "1").unwrap();
        }
        fs::write(dir.join("out/same"), "1").unwrap();
        fs::write(dir.join("out/other"), "2").unwrap();
        let message = compare(&made, &dir.join("out")).unwrap_err().to_string();
        let alone = compare(&made[..1], &dir.join("out"));
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(message, "two builds differ: other, missing");
        alone.unwrap();
    }
}
