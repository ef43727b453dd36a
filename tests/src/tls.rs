//! One certificate authority and its leaves. Clients trust it through their own flags and
//! environment, never through the machine's store.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::Scratch;

/// The names in the service's own certificates: they cannot tell customers apart.
const REGISTRY_NAMES: [&str; 5] = [
    "*.azurecr.io",
    "*.eastus.data.azurecr.io",
    "*.westus.data.azurecr.io",
    "*.eastus.geo.azurecr.io",
    "*.westus.geo.azurecr.io",
];
const STORAGE_NAMES: [&str; 1] = ["*.blob.core.windows.net"];
const INTERNET_NAMES: [&str; 1] = ["www.example.org"];

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
pub struct Tls {
    dir: PathBuf,
    /// For login servers, data endpoints and regional endpoints.
    pub registry: Leaf,
    /// For storage accounts.
    pub storage: Leaf,
    /// For the unrelated web server.
    pub internet: Leaf,
}

impl Tls {
    /// Makes the authority and its leaves.
    ///
    /// # Errors
    /// When a certificate cannot be made or written.
    pub fn new(scratch: &Scratch) -> Result<Self> {
        let dir = scratch.dir("tls")?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "Egress lab");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().context("make a key")?;
        let issuer = CertifiedIssuer::self_signed(params, key).context("make an authority")?;
        scratch.file("tls/ca.crt", issuer.pem())?;
        Ok(Self {
            registry: leaf(&issuer, scratch, "registry", &REGISTRY_NAMES)?,
            storage: leaf(&issuer, scratch, "storage", &STORAGE_NAMES)?,
            internet: leaf(&issuer, scratch, "internet", &INTERNET_NAMES)?,
            dir,
        })
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

fn leaf(
    issuer: &CertifiedIssuer<'_, KeyPair>,
    scratch: &Scratch,
    name: &str,
    names: &[&str],
) -> Result<Leaf> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).context("name a certificate")?;
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().context("make a key")?;
    let cert = params
        .signed_by(&key, issuer)
        .context("sign a certificate")?;
    Ok(Leaf {
        cert: scratch.file(&format!("tls/{name}.pem"), cert.pem())?,
        key: scratch.file(&format!("tls/{name}-key.pem"), key.serialize_pem())?,
    })
}
