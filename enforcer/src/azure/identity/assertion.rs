//! The assertion of a service principal with a certificate: a JSON Web Token (RFC 7519), signed with the certificate's key.
//!
//! Header and claims: certificate-credentials of the Microsoft identity platform (`PS256` with `x5t#S256`).

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rsa::KeyPair;
use ring::signature::RSA_PSS_SHA256;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Serialize;

use crate::random;

/// Validity of the assertion.
const LIFE: Duration = Duration::from_mins(10);

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(rename = "x5t#S256")]
    thumbprint: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: u64,
    iat: u64,
    exp: u64,
}

/// Signs an assertion by `client` for `audience` with the certificate and the key in `pem`.
///
/// # Errors
/// What is wrong with the file, and the fix.
pub(super) fn sign(
    pem: &str,
    client: &str,
    audience: &str,
    now: SystemTime,
) -> Result<String, &'static str> {
    const WHOLE: &str = "write the certificate and its RSA key (-----BEGIN CERTIFICATE-----, -----BEGIN PRIVATE KEY-----) to it";
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).or(Err(
        "has no certificate in PEM; write the certificate and its key to it",
    ))?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).or(Err(
        "has no private key in PEM without a password; write the certificate and its key to it",
    ))?;
    let key = if let PrivateKeyDer::Pkcs1(key) = &key {
        KeyPair::from_der(key.secret_pkcs1_der())
    } else {
        KeyPair::from_pkcs8(key.secret_der())
    };
    let key = key.or(Err(
        "has a key that is not RSA with 2048 to 4096 bits; create a certificate with such a key",
    ))?;
    let id: [u8; 16] =
        random::bytes().or(Err("cannot be used: the system provides no random numbers"))?;
    let header = Header {
        alg: "PS256",
        typ: "JWT",
        thumbprint: URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate)),
    };
    let claims = claims(client, audience, now, URL_SAFE_NO_PAD.encode(id));
    let encode = |json: serde_json::Result<Vec<u8>>| json.map(|json| URL_SAFE_NO_PAD.encode(json));
    let (Ok(header), Ok(claims)) = (
        encode(serde_json::to_vec(&header)),
        encode(serde_json::to_vec(&claims)),
    ) else {
        return Err(WHOLE);
    };
    let message = format!("{header}.{claims}");
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PSS_SHA256,
        &random::generator(),
        message.as_bytes(),
        &mut signature,
    )
    .or(Err(WHOLE))?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn claims<'a>(client: &'a str, audience: &'a str, now: SystemTime, id: String) -> Claims<'a> {
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    Claims {
        aud: audience,
        iss: client,
        sub: client,
        jti: id,
        nbf: now,
        iat: now,
        exp: now + LIFE.as_secs(),
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;
    use crate::azure::identity::tests::PRINCIPAL;

    const AUDIENCE: &str = "https://login.microsoftonline.com/t/oauth2/v2.0/token";

    fn decoded(part: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(part).unwrap()
    }

    #[test]
    fn the_assertion_is_as_documented_and_its_signature_is_valid() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let assertion = sign(PRINCIPAL, "client", AUDIENCE, now).unwrap();
        let parts: Vec<&str> = assertion.split('.').collect();
        let header: Value = serde_json::from_slice(&decoded(parts[0])).unwrap();
        let claims: Value = serde_json::from_slice(&decoded(parts[1])).unwrap();
        let certificate = CertificateDer::from_pem_slice(PRINCIPAL.as_bytes()).unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate));
        assert_eq!(
            (&header["alg"], &header["typ"]),
            (&"PS256".into(), &"JWT".into())
        );
        assert_eq!(header["x5t#S256"], thumbprint);
        assert_eq!(
            (&claims["aud"], &claims["nbf"]),
            (&AUDIENCE.into(), &1_000_000.into())
        );
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&"client".into(), &"client".into())
        );
        assert_eq!(claims["exp"], 1_000_600);
        let PrivateKeyDer::Pkcs8(key) =
            PrivateKeyDer::from_pem_slice(PRINCIPAL.as_bytes()).unwrap()
        else {
            panic!("the key is PKCS#8");
        };
        let key = KeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
        let message = format!("{}.{}", parts[0], parts[1]);
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key.public().as_ref())
            .verify(message.as_bytes(), &decoded(parts[2]))
            .unwrap();
        let other = sign(PRINCIPAL, "client", AUDIENCE, now).unwrap();
        assert_ne!(other.split('.').nth(1), Some(parts[1]), "jti repeats");
    }

    #[test]
    fn a_file_without_a_certificate_or_a_usable_key_is_refused() {
        let certificate = PRINCIPAL.split("-----BEGIN PRIVATE KEY").next().unwrap();
        let key = &PRINCIPAL[certificate.len()..];
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        let elliptic = format!("{}{}", made.cert.pem(), made.signing_key.serialize_pem());
        for (pem, why) in [
            ("", "no certificate"),
            (key, "no certificate"),
            (certificate, "no private key"),
            (elliptic.as_str(), "not RSA"),
        ] {
            let error = sign(pem, "c", AUDIENCE, SystemTime::now()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
