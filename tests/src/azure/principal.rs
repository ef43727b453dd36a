//! The service principal that Entra accepts, with all its credentials.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::tokens;
use crate::{
    ScratchDir,
    fixtures::{
        process::{Finished, run},
        process_env::ProcessEnv,
    },
};

/// The subscription of contoso's registry.
pub const SUBSCRIPTION: &str = "00000000-0000-4000-8000-00000000515b";
/// Its resource group.
pub const RESOURCE_GROUP: &str = "plant";
/// The directory of contoso.
pub const TENANT: &str = "00000000-0000-4000-8000-000000007e4a";
/// The service principal's application, and the machine's own.
pub const CLIENT: &str = "00000000-0000-4000-8000-00000000c11e";

/// Time limit of key generation.
const LIMIT: Duration = Duration::from_secs(30);

/// Returns the resource id of a registry in the stand-in's subscription.
#[must_use]
pub fn resource_id(registry: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers/Microsoft.ContainerRegistry/registries/{registry}"
    )
}

/// The principal and its credential files on the device.
#[derive(Debug)]
pub struct Principal {
    /// Contains the client secret.
    pub secret_file: PathBuf,
    /// Contains the federated token of a workload.
    pub federated_file: PathBuf,
    /// Contains a certificate and its private key (PKCS #8) as PEM.
    pub certificate_file: PathBuf,
    directory: PathBuf,
    known: Known,
}

/// What Entra knows of the principal.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) secret: String,
    pub(super) federated: String,
    /// DER.
    pub(super) certificate: Vec<u8>,
    /// An RSA public key (RFC 8017, A.1.1), DER.
    pub(super) public_key: Vec<u8>,
}

impl Principal {
    /// Creates the principal and its files in the directory `principal` of `scratch`.
    pub(super) fn new(scratch: &ScratchDir) -> Result<Self> {
        let directory = scratch.dir("principal")?;
        let (certificate, public_key) = certificate(&directory)?;
        let known = Known {
            secret: tokens::random()?,
            federated: format!(
                "eyJhbGciOiJSUzI1NiJ9.{}.{}",
                tokens::random()?,
                tokens::random()?
            ),
            certificate,
            public_key,
        };
        let file = |name: &str, contents: &str| -> Result<PathBuf> {
            let path = directory.join(name);
            private(&path, contents.as_bytes())?;
            Ok(path)
        };
        Ok(Self {
            // Files written by people end with a line break.
            secret_file: file("secret", &format!("{}\n", known.secret))?,
            federated_file: file("federated", &known.federated)?,
            certificate_file: directory.join("both.pem"),
            directory,
            known,
        })
    }

    pub(super) fn known(&self) -> Known {
        self.known.clone()
    }

    /// Returns its credentials, the private key line by line.
    pub(super) fn secrets(&self) -> Vec<String> {
        let key = fs::read_to_string(self.directory.join("key.pem")).unwrap_or_default();
        let lines = key.lines().filter(|line| line.len() > 40);
        let mut secrets: Vec<String> = lines.map(str::to_owned).collect();
        secrets.extend([self.known.secret.clone(), self.known.federated.clone()]);
        secrets
    }
}

/// Writes a file with mode 0600.
fn private(path: &Path, contents: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    opened
        .and_then(|mut file| file.write_all(contents))
        .with_context(|| format!("write {}", path.display()))
}

/// Creates a self-signed certificate with an RSA key, the kind that Entra accepts; returns it and its public key as DER.
fn certificate(directory: &Path) -> Result<(Vec<u8>, Vec<u8>)> {
    let openssl = |arguments: &[&str]| {
        let mut command = ProcessEnv::default().command("openssl");
        command.args(arguments).current_dir(directory);
        run(command, LIMIT)
            .and_then(Finished::success)
            .context("create a certificate")
    };
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "30",
        "-subj",
        "/CN=egress-enforcer",
        "-keyout",
        "key.pem",
        "-out",
        "certificate.pem",
    ])?;
    openssl(&[
        "rsa",
        "-in",
        "key.pem",
        "-RSAPublicKey_out",
        "-outform",
        "DER",
        "-out",
        "public.der",
    ])?;
    let read = |name: &str| fs::read(directory.join(name)).with_context(|| format!("read {name}"));
    let (pem, key) = (read("certificate.pem")?, read("key.pem")?);
    private(
        &directory.join("both.pem"),
        &[pem.as_slice(), &key].concat(),
    )?;
    let der = CertificateDer::from_pem_slice(&pem).context("read the certificate")?;
    Ok((der.to_vec(), read("public.der")?))
}
