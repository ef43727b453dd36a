//! User and password for the registry's tokens.

use std::io::{Read, stdin};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use crate::cli::args::RegistryArgs;
use crate::file::read_within;

/// The longest password that is read, in bytes: a refresh token has some two thousand.
const MAX_PASSWORD: u64 = 64 << 10;

/// User and password as they are sent (RFC 7617). Not `Debug`: it is a secret.
pub(super) struct Credentials(HeaderValue);

impl Credentials {
    /// Reads what `args` name; `None` where they name no user.
    ///
    /// # Errors
    /// Where the password cannot be read, or one of them cannot be sent. The password is in no error.
    pub(super) fn read(args: &RegistryArgs) -> Result<Option<Self>> {
        let Some(user) = &args.username else {
            return Ok(None);
        };
        let password = match &args.password_file {
            Some(file) => from_file(file)?,
            None => from(stdin().lock()).context("--password-stdin")?,
        };
        Self::new(user, &password).map(Some)
    }

    fn new(user: &str, password: &[u8]) -> Result<Self> {
        let password = password.strip_suffix(b"\n").unwrap_or(password);
        let password = password.strip_suffix(b"\r").unwrap_or(password);
        if user.contains(':') || user.chars().any(char::is_control) {
            bail!("--username: a user has neither a colon nor control characters");
        }
        if password.is_empty() || password.iter().any(u8::is_ascii_control) {
            bail!(
                "the password is empty or not one line: give it alone, by --password-stdin or --password-file"
            );
        }
        let pair = [user.as_bytes(), b":", password].concat();
        let mut header = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair)))
            .context("the credentials cannot be sent")?;
        header.set_sensitive(true);
        Ok(Self(header))
    }

    /// The value of `Authorization`.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn from_file(file: &Path) -> Result<Vec<u8>> {
    read_within(file, MAX_PASSWORD).with_context(|| format!("--password-file {}", file.display()))
}

fn from(reader: impl Read) -> Result<Vec<u8>> {
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
    fn what_cannot_be_sent_is_refused_without_being_told() {
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
        assert!(from(std::io::repeat(b'a')).is_err());
    }
}
