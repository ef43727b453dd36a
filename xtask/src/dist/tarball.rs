//! The archive for hosts with neither dpkg nor rpm: the files and a script that installs them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{
    content, image,
    job::{Job, NAME},
};
use crate::{env, step::output_of};

/// The script beside the files; executable like the program.
const SCRIPT: content::Shipped = content::Shipped {
    source: content::Source::Program("install.sh"),
    place: "/install.sh",
};

/// Packs `image` and checks the archive.
///
/// # Errors
/// When tar fails, or the archive has other contents than it should.
pub(super) fn make(job: &Job, files: &Path) -> Result<PathBuf> {
    let top = format!("{NAME}-{}-{}", job.version, job.arch.kernel());
    let dir = job.scratch("tarball")?;
    let root = dir.join(&top);
    fs::create_dir(&root)?;
    output_of(
        env::command("cp")
            .arg("-a")
            .arg(files)
            .arg(root.join("root")),
    )?;
    let script = env::root().join("packaging/install.sh");
    image::place(&script, &root.join("install.sh"), 0o755)?;
    image::stamp(&root, job.epoch)?;
    let package = job.out.join(format!("{top}.tar.gz"));
    let mut tar = env::command("tar");
    tar.args([
        "--create",
        "--format=ustar",
        "--sort=name",
        "--numeric-owner",
    ])
    .args(["--owner=0", "--group=0", "--use-compress-program=gzip -9n"])
    .arg("--directory")
    .arg(&dir)
    .arg("--file")
    .arg(&package)
    .arg(&top);
    output_of(&mut tar)?;
    check(&package, &top).with_context(|| format!("{}", package.display()))?;
    println!(
        "    {}: {} bytes",
        package.display(),
        package.metadata()?.len()
    );
    Ok(package)
}

fn check(package: &Path, top: &str) -> Result<()> {
    let listing = output_of(env::command("tar").args(["-tvzf"]).arg(package))?;
    let mut entries = content::read_listing(&listing)?;
    for entry in &mut entries {
        let path = entry.path.trim_start_matches(top);
        entry.path = path.trim_start_matches("/root").to_owned();
    }
    content::check(&entries, content::of_others().chain([&SCRIPT]))
}
