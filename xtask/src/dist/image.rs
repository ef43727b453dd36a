//! Directory with the installed files, for the packagers that take one.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::{
    content::{self, Source},
    job::Job,
};
use crate::{env, step::output_of};

/// Lays out the directory from nothing and returns it.
///
/// # Errors
/// When a file of the workspace is missing or cannot be written.
pub(super) fn make(job: &Job) -> Result<PathBuf> {
    let image = job.scratch("image")?;
    for file in content::of_others() {
        let (source, mode) = match file.source {
            Source::Program(name) => (job.programs.join(name), 0o755),
            Source::Notices => (job.notices.clone(), 0o644),
            Source::Workspace(path) => (env::root().join(path), 0o644),
        };
        place(
            &source,
            &image.join(file.place.trim_start_matches('/')),
            mode,
        )
        .with_context(|| format!("cannot ship {}", source.display()))?;
    }
    stamp(&image, job.epoch)?;
    Ok(image)
}

/// Copies `source` to `place` with the permissions `mode`, compressed where the place says so.
///
/// # Errors
/// When it cannot be read or written.
pub(super) fn place(source: &Path, place: &Path, mode: u32) -> Result<()> {
    if let Some(dir) = place.parent() {
        fs::create_dir_all(dir)?;
    }
    let compressed = place.extension().is_some_and(|extension| extension == "gz");
    let plain = if compressed {
        place.with_extension("")
    } else {
        place.to_owned()
    };
    fs::copy(source, &plain)?;
    fs::set_permissions(&plain, Permissions::from_mode(mode))?;
    if compressed {
        output_of(
            Command::new("gzip")
                .args(["-9", "--no-name", "--force"])
                .arg(&plain),
        )?;
    }
    Ok(())
}

/// Sets the same time and permissions on every file and directory below `dir`, for reproducible packages.
///
/// # Errors
/// When `find` or `touch` fails.
pub(super) fn stamp(dir: &Path, epoch: u64) -> Result<()> {
    let mut find = Command::new("find");
    find.arg(dir)
        .args(["-type", "d", "-exec", "chmod", "755", "{}", "+"]);
    output_of(&mut find)?;
    let mut find = Command::new("find");
    find.arg(dir)
        .args(["-exec", "touch", "--no-dereference"])
        .arg(format!("--date=@{epoch}"))
        .args(["{}", "+"]);
    output_of(&mut find).map(drop)
}
