//! One certificate authority and its leaves. Clients trust it through their own flags and
//! environment, never through the machine's store.

#[cfg(feature = "certificates")]
mod issue;
#[cfg(not(feature = "certificates"))]
mod issue {
    use anyhow::{Result, bail};

    use super::Certificates;
    use crate::ScratchDir;

    pub(super) fn all(_: &ScratchDir) -> Result<Certificates> {
        bail!("these tests are built without certificates: the lab's servers cannot start")
    }
}

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::ScratchDir;

/// A certificate and its key, as PEM files.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// The files of the lab's certificates.
#[derive(Debug)]
pub struct Certificates {
    dir: PathBuf,
    /// For login servers, data endpoints and regional endpoints.
    pub registry: Leaf,
    /// For storage accounts.
    pub storage: Leaf,
    /// For the unrelated web server.
    pub internet: Leaf,
    /// For the stand-in of Azure.
    pub azure: Leaf,
}

impl Certificates {
    /// Makes the authority and its leaves.
    ///
    /// # Errors
    /// When a certificate cannot be made or written.
    pub fn new(scratch: &ScratchDir) -> Result<Self> {
        issue::all(scratch)
    }

    /// The authority's certificate: for `SSL_CERT_FILE`, `curl --cacert`, `connection_verify=`.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// A directory with the authority's certificate as `*.crt`: for `skopeo --src-cert-dir`. Leaf
    /// files in it have other endings, which skopeo ignores.
    #[must_use]
    pub fn cert_dir(&self) -> &Path {
        &self.dir
    }
}
