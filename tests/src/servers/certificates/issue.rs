//! Issues the authority and its leaf certificates.

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

use super::{Certificates, Leaf};
use crate::{ScratchDir, topology::addresses::REPLICAS};

/// Subject alternative names as in the service's certificates, which do not distinguish customers.
const REGISTRY_NAMES: [&str; 7] = [
    "*.azurecr.io",
    "*.eastus.data.azurecr.io",
    "*.westus.data.azurecr.io",
    "*.eastus.geo.azurecr.io",
    "*.westus.geo.azurecr.io",
    "registry.contoso.com",
    "registry.mallory.com",
];
const STORAGE_NAMES: [&str; 2] = ["*.blob.core.windows.net", "*.z12.blob.storage.azure.net"];
const INTERNET_NAMES: [&str; 1] = ["www.example.org"];
const AZURE_NAMES: [&str; 3] = [
    "management.azure.com",
    "login.microsoftonline.com",
    "mirror.example.org",
];

/// Issues all certificates in the directory `tls` of `scratch`.
pub(super) fn all(scratch: &ScratchDir) -> Result<Certificates> {
    let dir = scratch.dir("tls")?;
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "Egress lab");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // RFC 5280 4.2.1.3: strict verifiers (Python 3.13, OpenSSL 3.5) refuse an authority without it.
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().context("generate a key")?;
    let issuer = CertifiedIssuer::self_signed(params, key).context("issue the authority")?;
    scratch.file("tls/ca.crt", issuer.pem())?;
    Ok(Certificates {
        registry: leaf(&issuer, scratch, "registry", &registry_names())?,
        storage: leaf(&issuer, scratch, "storage", &STORAGE_NAMES)?,
        internet: leaf(&issuer, scratch, "internet", &INTERNET_NAMES)?,
        azure: leaf(&issuer, scratch, "azure", &AZURE_NAMES)?,
        dir,
    })
}

fn registry_names() -> Vec<String> {
    let replicas = REPLICAS.map(|region| format!("*.{}.data.azurecr.io", region.name));
    let names = REGISTRY_NAMES.iter().map(ToString::to_string);
    names.chain(replicas).collect()
}

fn leaf<N: ToString>(
    issuer: &CertifiedIssuer<'_, KeyPair>,
    scratch: &ScratchDir,
    name: &str,
    names: &[N],
) -> Result<Leaf> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).context("name a certificate")?;
    params.distinguished_name.push(DnType::CommonName, name);
    // RFC 5280 4.2.1.1: strict verifiers refuse a leaf that does not identify its authority's key.
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().context("generate a key")?;
    let cert = params
        .signed_by(&key, issuer)
        .context("sign a certificate")?;
    Ok(Leaf {
        cert: scratch.file(&format!("tls/{name}.pem"), cert.pem())?,
        key: scratch.file(&format!("tls/{name}-key.pem"), key.serialize_pem())?,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn openssl_accepts_every_certificate_in_strict_mode() {
        let scratch = ScratchDir::new().unwrap();
        let tls = all(&scratch).unwrap();
        for leaf in [&tls.registry, &tls.storage, &tls.internet, &tls.azure] {
            let verified = Command::new("openssl")
                .args(["verify", "-x509_strict", "-purpose", "sslserver"])
                .arg("-CAfile")
                .args([&tls.ca(), &leaf.cert])
                .output()
                .unwrap();
            let message = String::from_utf8_lossy(&verified.stderr);
            assert!(verified.status.success(), "{message}");
        }
    }
}
