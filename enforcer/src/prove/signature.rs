//! Signatures of a file: Ed25519, as minisign and OpenSSL verify them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use ring::error::KeyRejected;
use ring::signature::Ed25519KeyPair;

use crate::file::read_within;
use crate::state::write_whole;

/// Maximum length of a key file, in bytes.
const MAX_KEY: u64 = 16 << 10;
/// A secret key of minisign without password (minisign(1), "Secret key format"): algorithms of signature, password and checksum, then salt
/// and limits of the password, then number of the key, key and checksum.
const MINISIGN: usize = 158;
const MINISIGN_ALGORITHM: &[u8] = b"Ed";
const NO_PASSWORD: &[u8] = &[0, 0];
const MINISIGN_NUMBER: usize = 54;
const MINISIGN_SEED: usize = 62;
const MINISIGN_PUBLIC: usize = 94;
/// PKCS #8 of an Ed25519 key (RFC 8410): what precedes the seed.
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
];

/// A private key.
#[derive(Debug)]
pub(crate) struct SigningKey {
    pair: Ed25519KeyPair,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// With the number of the key.
    Minisign([u8; 8]),
    Openssl,
}

impl SigningKey {
    /// Reads a key that `minisign -G -W` or `openssl genpkey -algorithm ed25519` made.
    ///
    /// # Errors
    /// If others than this user or root may read the file, or it is neither.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let found = fs::metadata(path).with_context(|| format!("cannot read the key {shown}"))?;
        ensure!(
            found.mode() & 0o077 == 0,
            "others may read the key {shown}: chmod 600 {shown}"
        );
        let me = nix::unistd::geteuid().as_raw();
        ensure!(
            found.uid() == me || found.uid() == 0,
            "the key {shown} belongs to another user, who can sign with it: chown {me} {shown}"
        );
        let bytes =
            read_within(path, MAX_KEY).with_context(|| format!("cannot read the key {shown}"))?;
        Self::parse(&String::from_utf8_lossy(&bytes)).with_context(|| {
            format!("{shown} is no key of `minisign -G -W` or `openssl genpkey -algorithm ed25519`")
        })
    }

    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim);
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        match lines[..] {
            [
                "-----BEGIN PRIVATE KEY-----",
                ref inner @ ..,
                "-----END PRIVATE KEY-----",
            ] => Self::openssl(&decoded(&inner.concat())?),
            [comment, key] if comment.starts_with("untrusted comment:") => {
                Self::minisign(&decoded(key)?)
            }
            _ => bail!("unknown format"),
        }
    }

    fn openssl(der: &[u8]) -> Result<Self> {
        let seed = der
            .strip_prefix(&PKCS8)
            .context("no Ed25519 key in PKCS #8")?;
        Ok(Self {
            pair: Ed25519KeyPair::from_seed_unchecked(seed).map_err(invalid)?,
            kind: Kind::Openssl,
        })
    }

    fn minisign(key: &[u8]) -> Result<Self> {
        ensure!(
            key.len() == MINISIGN && key.starts_with(MINISIGN_ALGORITHM),
            "no secret key"
        );
        ensure!(
            key.get(2..4) == Some(NO_PASSWORD),
            "it has a password: make one for this host with `minisign -G -W`"
        );
        let part = |from: usize, to: usize| key.get(from..to).unwrap_or_default();
        let seed = part(MINISIGN_SEED, MINISIGN_PUBLIC);
        let public = part(MINISIGN_PUBLIC, MINISIGN_PUBLIC + 32);
        let number = part(MINISIGN_NUMBER, MINISIGN_SEED);
        Ok(Self {
            pair: Ed25519KeyPair::from_seed_and_public_key(seed, public).map_err(invalid)?,
            kind: Kind::Minisign(number.try_into()?),
        })
    }

    /// Signs `content`, the content of `file`, and writes the signature beside it; returns the path of the signature.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn sign(&self, file: &Path, content: &[u8], now: Timestamp) -> Result<PathBuf> {
        let (suffix, signature) = match &self.kind {
            Kind::Openssl => (".sig", self.pair.sign(content).as_ref().to_vec()),
            Kind::Minisign(number) => {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                let comment = format!("timestamp:{}\tfile:{name}", now.as_second());
                let text = self.minisigned(*number, content, &comment);
                (".minisig", text.into_bytes())
            }
        };
        let mut place = file.as_os_str().to_owned();
        place.push(suffix);
        let place = PathBuf::from(place);
        write_whole(&place, 0o644, |to| to.write_all(&signature))
            .with_context(|| format!("cannot write {}", place.display()))?;
        Ok(place)
    }

    /// A signature file of minisign: the second signature is of the first and the comment.
    fn minisigned(&self, number: [u8; 8], content: &[u8], comment: &str) -> String {
        let signature = self.pair.sign(content);
        let signed = [signature.as_ref(), comment.as_bytes()].concat();
        let global = self.pair.sign(&signed);
        let line = [MINISIGN_ALGORITHM, &number, signature.as_ref()].concat();
        format!(
            "untrusted comment: signature of egress-enforcer prove\n{}\ntrusted comment: {comment}\n{}\n",
            BASE64_STANDARD.encode(line),
            BASE64_STANDARD.encode(global.as_ref()),
        )
    }
}

fn decoded(text: &str) -> Result<Vec<u8>> {
    let decoded = BASE64_STANDARD.decode(text);
    decoded.map_err(|error| anyhow!("not base64: {error}"))
}

fn invalid(error: KeyRejected) -> anyhow::Error {
    anyhow!("no valid key: {error}")
}

/// How the signature at `place` of `file` is verified.
pub(crate) fn verify_hint(place: &Path, file: &Path) -> String {
    let (place_shown, file) = (place.display(), file.display());
    match place.extension().is_some_and(|end| end == "minisig") {
        true => format!("minisign -Vm {file} -p KEY.pub"),
        false => format!(
            "openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin -in {file} -sigfile {place_shown}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, KeyPair as _, UnparsedPublicKey};

    use super::*;

    const SEED: [u8; 32] = [7; 32];

    fn pem() -> String {
        let der = [PKCS8.as_slice(), &SEED].concat();
        let text = BASE64_STANDARD.encode(der);
        format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    }

    fn minisign(algorithms: &[u8]) -> String {
        let public = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
        let public = public.public_key().as_ref().to_vec();
        let key = [
            algorithms,
            &[0; 48],
            &[1, 2, 3, 4, 5, 6, 7, 8],
            &SEED,
            &public,
            &[0; 32],
        ]
        .concat();
        format!("untrusted comment: key\n{}\n", BASE64_STANDARD.encode(key))
    }

    fn verifies(message: &[u8], signature: &[u8]) -> bool {
        let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref());
        key.verify(message, signature).is_ok()
    }

    #[test]
    fn a_key_of_openssl_signs_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("proof.html");
        let key = SigningKey::parse(&pem()).unwrap();
        let place = key.sign(&file, b"proof", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(place, directory.path().join("proof.html.sig"));
        assert!(verifies(b"proof", &fs::read(place).unwrap()));
    }

    #[test]
    fn a_key_of_minisign_signs_file_and_comment() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("proof.html");
        let key = SigningKey::parse(&minisign(b"Ed\0\0B2")).unwrap();
        let place = key.sign(&file, b"proof", Timestamp::UNIX_EPOCH).unwrap();
        let text = fs::read_to_string(place).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let signature = BASE64_STANDARD.decode(lines[1]).unwrap();
        assert_eq!(signature[..10], *b"Ed\x01\x02\x03\x04\x05\x06\x07\x08");
        assert!(verifies(b"proof", &signature[10..]));
        let comment = lines[2].strip_prefix("trusted comment: ").unwrap();
        let signed = [&signature[10..], comment.as_bytes()].concat();
        assert!(verifies(
            &signed,
            &BASE64_STANDARD.decode(lines[3]).unwrap()
        ));
    }

    #[test]
    fn other_keys_are_refused() {
        for (text, words) in [
            (minisign(b"EdScB2"), "password"),
            ("ssh-ed25519 AAAA".to_owned(), "unknown format"),
            (pem().replace("MC4C", "MDAC"), "PKCS #8"),
        ] {
            let error = SigningKey::parse(&text).unwrap_err();
            assert!(format!("{error:#}").contains(words), "{error:#}");
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key.pem");
        fs::write(&file, pem()).unwrap();
        let mode = |mode| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(&file, mode).unwrap();
        };
        mode(0o644);
        assert!(
            SigningKey::read(&file)
                .unwrap_err()
                .to_string()
                .contains("chmod 600")
        );
        mode(0o600);
        assert!(SigningKey::read(&file).is_ok());
    }
}
