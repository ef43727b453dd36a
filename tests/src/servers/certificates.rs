//! The lab's certificate authority and its leaf certificates. Clients trust it through flags and
//! environment variables, never through the machine's trust store.

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
    /// For the stand-in for Azure.
    pub azure: Leaf,
}

impl Certificates {
    /// Issues the authority and its leaf certificates.
    ///
    /// # Errors
    /// When a certificate cannot be issued or written.
    pub fn new(scratch: &ScratchDir) -> Result<Self> {
        issue::all(scratch)
    }

    /// Returns the path of the authority's certificate, for `SSL_CERT_FILE`, `curl --cacert`, `connection_verify=`.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.crt")
    }

    /// Returns a directory with the authority's certificate as `*.crt`, for `skopeo --src-cert-dir`.
    /// Leaf files in it have other extensions, which skopeo ignores.
    #[must_use]
    pub fn cert_dir(&self) -> &Path {
        &self.dir
    }
}
