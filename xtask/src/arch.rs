//! The machines that binaries and packages are made for.

use anyhow::{Result, bail};
use clap::ValueEnum;

/// A kind of machine, by Debian's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    Amd64,
    Arm64,
}

impl Arch {
    pub(crate) const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// The kind that this program runs on.
    ///
    /// # Errors
    /// On any other kind: nothing is built for it.
    pub(crate) fn host() -> Result<Self> {
        let name = std::env::consts::ARCH;
        let found = Self::ALL.into_iter().find(|arch| arch.kernel() == name);
        match found {
            Some(arch) => Ok(arch),
            None => bail!("egress-enforcer is built for x86_64 and aarch64, and this is {name}"),
        }
    }

    /// Debian's name.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The name that the kernel, RPM and Rust use.
    pub(crate) fn kernel(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }
}
