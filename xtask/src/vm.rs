//! Virtual machines that boot Debian's own kernels.

pub(crate) mod apt;
pub(crate) mod qemu;

use anyhow::Result;

/// Of `./x vm`.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Kernels, as `--list` names them; all when none is named
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Name the kernels, and run nothing
    #[arg(long)]
    list: bool,
}

/// # Errors
/// When something fails.
pub(crate) fn task(options: &Options) -> Result<()> {
    use crate::arch::Arch;
    for (suite, arch, pattern) in [
        (
            "bullseye",
            Arch::Amd64,
            "linux-image-5\\.10\\.[0-9.-]+-cloud-amd64",
        ),
        (
            "bookworm",
            Arch::Amd64,
            "linux-image-6\\.1\\.[0-9.-]+-cloud-amd64",
        ),
        (
            "trixie",
            Arch::Amd64,
            "linux-image-6\\.12\\.[^ ]+-cloud-amd64",
        ),
        ("sid", Arch::Amd64, "linux-image-[0-9][^ ]+-cloud-amd64"),
        (
            "bookworm",
            Arch::Arm64,
            "linux-image-6\\.1\\.[0-9.-]+-cloud-arm64",
        ),
        (
            "trixie",
            Arch::Arm64,
            "linux-image-6\\.12\\.[^ ]+-cloud-arm64",
        ),
    ] {
        let suite = apt::Suite::open(suite, arch)?;
        let package = suite.newest(pattern)?;
        println!("{package:?} {}", suite.download(&package)?.display());
    }
    let _ = (&options.kernels, options.list);
    Ok(())
}
