//! Packages for those who run egress-enforcer, in `target/dist`: the same bytes wherever they are made.

mod binary;
mod content;
mod deb;
mod image;
mod job;
mod linked;
mod notices;
mod rpm;
mod sbom;
mod tags;
mod tarball;
mod twice;

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

use self::job::Job;
pub(crate) use self::job::Options;
use crate::{arch::Arch, env, setup, step::output_of};

/// Sets up, builds, makes the packages and checks their contents.
///
/// # Errors
/// When set-up, a build or a packager fails, a package has other contents than it should, or the bundle's service tags are outdated.
pub(crate) fn task(options: &Options) -> Result<()> {
    tags::check()?;
    let arches = options.arch.map_or(Arch::ALL.to_vec(), |arch| vec![arch]);
    let mut made = Vec::new();
    for arch in arches {
        if options.deb_only {
            made.push(debian_package(arch, options)?);
        } else {
            made.extend(all_packages(arch, options)?);
        }
    }
    made.push(sums(&made)?);
    if options.twice {
        twice::check(options, &made)?;
    }
    Ok(())
}

/// Sets up, builds for `arch` unless that is done, and makes the Debian package. Returns its path.
///
/// # Errors
/// As [`task`].
pub(crate) fn debian_package(arch: Arch, options: &Options) -> Result<PathBuf> {
    setup::for_deb()?;
    deb::make(&Job::new(arch, options)?)
}

fn all_packages(arch: Arch, options: &Options) -> Result<[PathBuf; 4]> {
    setup::for_dist()?;
    let job = Job::new(arch, options)?;
    let image = image::make(&job)?;
    Ok([
        deb::make(&job)?,
        rpm::make(&job, &image)?,
        tarball::make(&job, &image)?,
        sbom::make(&job)?,
    ])
}

/// Writes `SHA256SUMS` beside the files, for `sha256sum --check`.
fn sums(made: &[PathBuf]) -> Result<PathBuf> {
    let dir = made
        .first()
        .and_then(|file| file.parent())
        .context("nothing was made")?;
    let mut names: Vec<_> = made.iter().filter_map(|file| file.file_name()).collect();
    names.sort_unstable();
    let text = output_of(env::command("sha256sum").current_dir(dir).args(names))?;
    let file = dir.join("SHA256SUMS");
    fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    print!("{text}");
    Ok(file)
}
