//! User name and password for the registry's token server.

use std::io::{Read, stdin};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use crate::file::read_within;

/// Maximum length of a password, in bytes; a refresh token has about two thousand.
const MAX_PASSWORD: u64 = 64 << 10;

/// The value of `Authorization` for user and password (RFC 7617). Not `Debug`: it is a secret.
pub(crate) struct Credentials(HeaderValue);

impl Credentials {
    /// Reads the password of `user` from a file, or from standard input if there is none.
    ///
    /// # Errors
    /// If the password cannot be read, or user or password cannot be sent. No error contains the password.
    pub(crate) fn read(user: &str, password_file: Option<&Path>) -> Result<Self> {
        let password = match password_file {
            Some(file) => read_within(file, MAX_PASSWORD)
                .with_context(|| format!("--password-file {}", file.display()))?,
            None => read_password(stdin().lock()).context("--password-stdin")?,
        };
        Self::new(user, &password)
    }

    fn new(user: &str, password: &[u8]) -> Result<Self> {
        let password = password.strip_suffix(b"\n").unwrap_or(password);
        let password = password.strip_suffix(b"\r").unwrap_or(password);
        if user.contains(':') || user.chars().any(char::is_control) {
            bail!("--username: a user name contains neither a colon nor control characters");
        }
        if password.is_empty() || password.iter().any(u8::is_ascii_control) {
            bail!(
                "the password is empty or not one line: pass it alone, with --password-stdin or --password-file"
            );
        }
        let pair = [user.as_bytes(), b":", password].concat();
        let mut header = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
            .context("the credentials cannot be sent")?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    /// Returns the value of `Authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn read_password(reader: impl Read) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    reader.take(MAX_PASSWORD + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_PASSWORD {
        bail!("is larger than {MAX_PASSWORD} bytes");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_sent_as_basic_and_shown_nowhere() {
        // The pair of RFC 7617 section 2.
        let credentials = Credentials::new("Aladdin", b"open sesame\r\n").unwrap();
        let header = credentials.header();
        assert_eq!(header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn invalid_credentials_are_refused_without_the_password_in_the_error() {
        for (user, password) in [
            ("a:b", &b"s3cret"[..]),
            ("user", b""),
            ("user", b"\n"),
            ("user", b"s3cret\nmore"),
            ("user\n", b"s3cret"),
        ] {
            let error = Credentials::new(user, password).err().unwrap();
            assert!(!format!("{error:#}").contains("s3cret"), "{error:#}");
        }
        assert!(read_password(std::io::repeat(b'a')).is_err());
    }
}
