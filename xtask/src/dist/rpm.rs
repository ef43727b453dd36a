//! The RPM, by rpmbuild: `packaging/egress-enforcer.spec` says what is in it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{
    content,
    job::{Job, NAME},
};
use crate::{env, step::Step, step::output_of};

/// One line for each file, in the format of `tar -tv`. The date is not checked.
const LISTING: &str =
    "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILESIZES} - - %{FILENAMES}\\n]";

/// Packs `image` and checks the package.
///
/// # Errors
/// When rpmbuild fails, or the package has other contents than it should.
pub(super) fn make(job: &Job, image: &Path) -> Result<PathBuf> {
    let arch = job.arch.kernel();
    let top = job.scratch("rpm")?;
    let mut rpmbuild = env::command("rpmbuild");
    rpmbuild
        .args(["-bb", "--target", &format!("{arch}-linux"), "--define"])
        .arg(format!("_topdir {}", top.display()))
        .args(["--define", &format!("version_ {}", job.version), "--define"])
        .arg(format!("image {}", image.display()))
        .arg(env::root().join("packaging/egress-enforcer.spec"))
        .env("SOURCE_DATE_EPOCH", job.epoch.to_string());
    Step {
        title: &format!("RPM for {arch}"),
        usual: "5 s",
        log: &format!("dist-rpm-{arch}"),
    }
    .run(&mut rpmbuild)?;
    let name = format!("{NAME}-{}-1.{arch}.rpm", job.version);
    let package = job.take(&top.join("RPMS").join(arch).join(&name), &name)?;
    check(&package).with_context(|| format!("{}", package.display()))?;
    Ok(package)
}

fn check(package: &Path) -> Result<()> {
    let ask = |args: &[&str]| {
        output_of(
            env::command("rpm")
                .args(["--query", "--package"])
                .args(args)
                .arg(package),
        )
    };
    content::check(
        &content::read_listing(&ask(&["--queryformat", LISTING])?)?,
        content::of_others(),
    )?;
    let configuration = ask(&["--configfiles"])?;
    ensure!(
        configuration.trim() == content::CONFIG,
        "unexpected configuration files: {configuration}"
    );
    for needed in ask(&["--requires"])?.lines() {
        ensure!(
            needed == "/bin/sh" || needed.starts_with("rpmlib("),
            "a static binary has no dependencies, but this package requires {needed}"
        );
    }
    let scripts = ask(&["--scripts"])?;
    for part in [
        "systemctl enable --now egress-enforcer.service",
        "systemctl try-restart egress-enforcer.service",
        "egress-enforcer unload",
        "rm -rf /var/lib/egress-enforcer",
    ] {
        ensure!(scripts.contains(part), "no script has: {part}");
    }
    Ok(())
}
