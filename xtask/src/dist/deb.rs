//! The Debian package, by cargo-deb: `enforcer/Cargo.toml` says what is in it, `packaging/deb` has its scripts.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{
    content, image,
    job::{Job, NAME},
};
use crate::{env, step::Step, step::output_of};

/// Packs the binary from cargo's target directory, and checks the package.
///
/// # Errors
/// When cargo-deb fails, or the package has other contents than it should.
pub(super) fn make(job: &Job) -> Result<PathBuf> {
    let arch = job.arch.debian();
    let package = job.out.join(format!("{NAME}_{}_{arch}.deb", job.version));
    // cargo-deb takes files that are made from the directory of the program.
    let notices = job.programs.join("third-party-notices.gz");
    image::place(&job.notices, &notices, 0o644)?;
    let mut cargo = env::cargo();
    cargo
        .args([
            "deb",
            "--locked",
            "--package",
            "enforcer",
            "--no-build",
            "--no-strip",
        ])
        .args(["--target", &env::static_target(job.arch.kernel())])
        .args(["--deb-version", &job.version, "--output"])
        .arg(&package)
        .env("SOURCE_DATE_EPOCH", job.epoch.to_string());
    Step {
        title: &format!("Debian package for {arch}"),
        usual: "10 s",
        log: &format!("dist-deb-{arch}"),
    }
    .run(&mut cargo)?;
    check(&package, job).with_context(|| format!("{}", package.display()))?;
    println!(
        "    {}: {} bytes",
        package.display(),
        package.metadata()?.len()
    );
    Ok(package)
}

fn check(package: &Path, job: &Job) -> Result<()> {
    let listing = dpkg_deb(&["--contents"], package)?;
    content::check(&content::read_listing(&listing)?, content::of_deb())?;
    check_fields(&dpkg_deb(&["--field"], package)?, job)?;
    let conffiles = control_file(package, "conffiles")?;
    ensure!(
        conffiles.trim() == content::CONFIG,
        "unexpected configuration files: {conffiles}"
    );
    for (script, part) in [
        (
            "postinst",
            "deb-systemd-helper enable egress-enforcer.service",
        ),
        ("postinst", "_dh_action=restart"),
        (
            "prerm",
            "[ \"$1\" = remove ]; then\n\tdeb-systemd-invoke stop egress-enforcer.service",
        ),
        (
            "prerm",
            "[ \"$1\" = remove ]; then\n    egress-enforcer unload",
        ),
        ("postrm", "deb-systemd-helper purge egress-enforcer.service"),
        ("postrm", "rm -rf /var/lib/egress-enforcer"),
    ] {
        let text = control_file(package, script)?;
        ensure!(text.contains(part), "{script} does not have: {part}");
    }
    Ok(())
}

fn check_fields(fields: &str, job: &Job) -> Result<()> {
    let field = |name: &str| {
        let mut lines = fields.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    for (name, wanted) in [
        ("Package", NAME),
        ("Version", &job.version),
        ("Architecture", job.arch.debian()),
        ("Maintainer", "egress-enforcer developers"),
    ] {
        ensure!(
            field(name) == Some(wanted),
            "{name} is not {wanted}: {fields}"
        );
    }
    ensure!(
        field("Homepage").is_none(),
        "there is no homepage yet: {fields}"
    );
    for name in ["Depends", "Pre-Depends"] {
        ensure!(
            field(name).is_none_or(|value| value.trim().is_empty()),
            "a static binary depends on nothing: {fields}"
        );
    }
    Ok(())
}

fn control_file(package: &Path, name: &str) -> Result<String> {
    output_of(
        env::command("dpkg-deb")
            .arg("--info")
            .arg(package)
            .arg(name),
    )
}

fn dpkg_deb(args: &[&str], package: &Path) -> Result<String> {
    output_of(env::command("dpkg-deb").args(args).arg(package))
}
