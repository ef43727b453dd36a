//! The trusted root certificates.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Weak};

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_native_certs::CertificateResult;

use super::HttpsError;

/// The trusted roots. They are in memory only while a request uses them (some hundred kilobytes), and read again for the next.
#[derive(Default)]
pub(super) struct Roots {
    in_use: RefCell<Weak<ClientConfig>>,
    #[cfg(test)]
    given: Option<RootCertStore>,
}

impl Roots {
    /// Uses these roots in place of the system's.
    #[cfg(test)]
    pub(super) fn given(roots: RootCertStore) -> Self {
        Self {
            given: Some(roots),
            ..Self::default()
        }
    }

    /// Returns the TLS configuration; concurrent requests share it.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, HttpsError> {
        if let Some(config) = self.in_use.borrow().upgrade() {
            return Ok(config);
        }
        let config = Arc::new(config(self.load()?)?);
        *self.in_use.borrow_mut() = Arc::downgrade(&config);
        Ok(config)
    }

    #[cfg(test)]
    fn load(&self) -> Result<RootCertStore, HttpsError> {
        self.given.clone().map_or_else(system, Ok)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "tests replace the roots")]
    fn load(&self) -> Result<RootCertStore, HttpsError> {
        system()
    }
}

/// Loads the roots of the system.
fn system() -> Result<RootCertStore, HttpsError> {
    trusted(rustls_native_certs::load_native_certs())
}

/// Returns the certificates in `found`; those that do not parse are skipped.
fn trusted(found: CertificateResult) -> Result<RootCertStore, HttpsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let problem = found.errors.first().map_or_else(
            || "there is none in the default locations".to_owned(),
            ToString::to_string,
        );
        return Err(HttpsError::Roots { problem });
    }
    Ok(roots)
}

fn config(roots: RootCertStore) -> Result<ClientConfig, HttpsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| HttpsError::Roots {
            problem: error.to_string(),
        })?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

impl fmt::Debug for Roots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Roots")
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;

    use super::*;

    #[test]
    fn a_system_without_roots_is_an_error_with_the_fix() {
        let mut found = CertificateResult::default();
        let error = trusted(found).unwrap_err().to_string();
        assert!(
            error.contains(
                "install the package ca-certificates, or set SSL_CERT_FILE to a file with certificates"
            ),
            "{error}"
        );
        found = CertificateResult::default();
        found
            .certs
            .push(CertificateDer::from(b"no certificate".to_vec()));
        assert!(matches!(trusted(found), Err(HttpsError::Roots { .. })));
    }
}
