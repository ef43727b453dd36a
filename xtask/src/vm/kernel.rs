//! Debian's kernels: the list, and the files of their packages.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{arch::Arch, debian::System, env};

/// Shell script that mmdebstrap runs to fetch a kernel.
const UNPACK: &str = include_str!("kernel/unpack.sh");

/// A kernel to boot: its suite's `cloud` flavour, which is small and has all that a virtual machine needs.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// Name for `./x vm`.
    pub(crate) name: &'static str,
    pub(crate) arch: Arch,
    pub(crate) suite: &'static str,
}

/// All kernels, oldest first.
pub(crate) const ALL: [Kernel; 6] = [
    Kernel::new("5.10", Arch::Amd64, "bullseye"),
    Kernel::new("6.1", Arch::Amd64, "bookworm"),
    Kernel::new("6.12", Arch::Amd64, "trixie"),
    Kernel::new("newest", Arch::Amd64, "sid"),
    Kernel::new("6.1-arm64", Arch::Arm64, "bookworm"),
    Kernel::new("6.12-arm64", Arch::Arm64, "trixie"),
];

/// A kernel's files, unpacked.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// Release, as `uname -r` prints it.
    pub(crate) release: String,
    /// Version of the package.
    pub(crate) version: String,
    pub(crate) image: PathBuf,
    root: PathBuf,
}

impl Kernel {
    const fn new(name: &'static str, arch: Arch, suite: &'static str) -> Self {
        Self { name, arch, suite }
    }

    /// Returns the kernel that `./x vm` calls `name`.
    ///
    /// # Errors
    /// When there is none: the error lists those that there are.
    pub(crate) fn named(name: &str) -> Result<&'static Self> {
        if let Some(kernel) = ALL.iter().find(|kernel| kernel.name == name) {
            return Ok(kernel);
        }
        let names: Vec<&str> = ALL.iter().map(|kernel| kernel.name).collect();
        bail!("no kernel {name}: there are {}", names.join(", "))
    }

    /// Fetches and unpacks its packages, unless the cache has them.
    ///
    /// # Errors
    /// When they cannot be fetched.
    pub(crate) fn fetch(&self) -> Result<Unpacked> {
        let arch = self.arch.debian();
        let root = System {
            name: &format!("kernel-{}", self.name),
            suite: self.suite,
            arch: self.arch,
            variant: "extract",
            options: &[format!("--extract-hook=arch={arch}\n{UNPACK}")],
            usual: "10 s",
        }
        .tree()?;
        Unpacked::read(root)
    }
}

impl Unpacked {
    fn read(root: PathBuf) -> Result<Self> {
        let version =
            fs::read_to_string(root.join("version")).context("a kernel has no version")?;
        let mut modules = root
            .join("lib/modules")
            .read_dir()
            .context("a kernel has no modules")?;
        let release = modules
            .next()
            .context("a kernel has no modules")??
            .file_name();
        let release = release.to_string_lossy().into_owned();
        let images = [
            format!("boot/vmlinuz-{release}"),
            format!("lib/modules/{release}/vmlinuz"),
        ];
        let image = images
            .iter()
            .map(|image| root.join(image))
            .find(|image| image.exists());
        Ok(Self {
            image: image.with_context(|| format!("{release} has none of {}", images.join(", ")))?,
            release,
            version: version.trim().to_owned(),
            root,
        })
    }

    /// Writes the modules `names` and their dependencies to the directory `to`; the order of the file names is a loading order. Omits
    /// modules that are built in, and those that the kernel does not have.
    ///
    /// # Errors
    /// When one cannot be read or written.
    pub(crate) fn write_modules(&self, names: &[&str], to: &Path) -> Result<()> {
        let mut paths: Vec<PathBuf> = Vec::new();
        for name in names {
            for path in self.needed_for(name)? {
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
        }
        for (number, path) in paths.iter().enumerate() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = name.split('.').next().unwrap_or_default();
            decompress(path, &to.join(format!("{number:03}-{name}.ko")))?;
        }
        Ok(())
    }

    /// Files that modprobe(8) would load, in order.
    fn needed_for(&self, name: &str) -> Result<Vec<PathBuf>> {
        let output = env::command("modprobe")
            .arg("--dirname")
            .arg(&self.root)
            .args(["--set-version", &self.release, "--ignore-install"])
            .args(["--show-depends", name])
            .output()
            .context("cannot start modprobe")?;
        Ok(insmods(&String::from_utf8_lossy(&output.stdout)))
    }
}

/// Files in lines of `insmod FILE OPTIONS`.
fn insmods(text: &str) -> Vec<PathBuf> {
    let file = |line: &str| {
        line.strip_prefix("insmod ")?
            .split(' ')
            .next()
            .map(PathBuf::from)
    };
    text.lines().filter_map(file).collect()
}

fn decompress(from: &Path, to: &Path) -> Result<()> {
    let program = match from.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some(_) | None => "cat",
    };
    let out = File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
    let mut command = env::command(program);
    if program != "cat" {
        command.args(["-d", "-c"]);
    }
    let status = command.arg(from).stdout(out).status();
    let status = status.with_context(|| format!("cannot start {program}"))?;
    ensure!(status.success(), "{program} cannot read {}", from.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kernel_is_an_error_that_names_the_known_ones() {
        let error = Kernel::named("4.19").unwrap_err().to_string();
        assert!(
            error.contains("4.19") && error.contains("6.12-arm64"),
            "{error}"
        );
        assert_eq!(Kernel::named("newest").unwrap().suite, "sid");
    }

    #[test]
    fn what_modprobe_would_load_is_read_without_options_and_built_ins() {
        let text =
            "builtin libcrc32c\ninsmod /k/udp_tunnel.ko.xz \ninsmod /k/dummy.ko numdummies=0 \n";
        assert_eq!(
            insmods(text),
            [Path::new("/k/udp_tunnel.ko.xz"), Path::new("/k/dummy.ko")]
        );
    }
}
