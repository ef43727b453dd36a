//! The registry to check, and the image in it.

use std::str::FromStr;

use anyhow::{Context as _, Result, anyhow};

use crate::config::Cloud;
use crate::name::Name;

/// Maximum length of a repository name, in bytes.
const MAX_REPOSITORY: usize = 255;
/// Maximum length of a tag, in bytes (OCI distribution specification 1.1, "Pulling manifests").
const MAX_TAG: usize = 128;

/// A registry, identified by its login server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RegistryTarget {
    pub(super) login: Name,
    pub(super) cloud: Cloud,
}

impl RegistryTarget {
    /// Parses a login server, or a registry's short name in the cloud `default`.
    ///
    /// # Errors
    /// If it is neither.
    pub(super) fn parse(text: &str, default: Cloud) -> Result<Self> {
        let suffix = default.registry_suffix();
        let login: Name = if text.contains('.') {
            text.parse()
        } else {
            format!("{text}.{suffix}").parse()
        }
        .context("--registry")?;
        let cloud = Cloud::of_login_server(&login).ok_or_else(|| {
            anyhow!("--registry: {login} is no login server; write \"<registry>.{suffix}\"")
        })?;
        Ok(Self { login, cloud })
    }

    /// Returns the registry's name in `az acr`, without the domain name label hash.
    pub(super) fn resource(&self) -> &str {
        let label = self.label();
        label.rsplit_once('-').map_or(label, |(name, _hash)| name)
    }

    /// Returns the first label of all names of the registry.
    pub(super) fn label(&self) -> &str {
        self.cloud.login_label(&self.login).unwrap_or_default()
    }

    /// Whether the names contain a hash: then endpoints cannot be derived from regions.
    pub(super) fn is_hashed(&self) -> bool {
        self.label().contains('-')
    }
}

/// `REPO[:TAG]` or `REPO@DIGEST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(super) repository: String,
    /// A tag or a digest.
    pub(super) reference: String,
}

impl FromStr for Image {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let name_start = text.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, reference) = if let Some((repository, digest)) = text.split_once('@') {
            (repository, is_digest(digest).then_some(digest))
        } else if let Some(colon) = text[name_start..].find(':') {
            let (repository, tag) = text.split_at(name_start + colon);
            let tag = tag.trim_start_matches(':');
            (repository, is_tag(tag).then_some(tag))
        } else {
            (text, Some("latest"))
        };
        let reference = reference.ok_or("write REPO:TAG or REPO@sha256:DIGEST")?;
        if !is_repository(repository) {
            return Err(
                "write REPO[:TAG]: a repository is lower-case letters, digits and .-_ between slashes",
            );
        }
        Ok(Self {
            repository: repository.to_owned(),
            reference: reference.to_owned(),
        })
    }
}

impl Image {
    /// Strips the login server, which image names often start with.
    pub(super) fn within(mut self, login: &Name) -> Self {
        let own = format!("{login}/");
        if let Some(rest) = self.repository.strip_prefix(&own) {
            self.repository = rest.to_owned();
        }
        self
    }
}

impl std::fmt::Display for Image {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let separator = if is_digest(&self.reference) { '@' } else { ':' };
        write!(
            formatter,
            "{}{separator}{}",
            self.repository, self.reference
        )
    }
}

fn is_repository(text: &str) -> bool {
    let fits = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_')
    };
    let alphanumeric = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.len() <= MAX_REPOSITORY
        && text.split('/').all(|part| {
            part.bytes().all(fits)
                && alphanumeric(part.bytes().next())
                && alphanumeric(part.bytes().next_back())
        })
}

fn is_tag(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=MAX_TAG).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with(['.', '-'])
}

/// Whether `text` is a digest, which is safe in the path of a URL: `sha256:` or `sha512:` and lower-case hex of its length (OCI image specification,
/// "Digests").
pub(super) fn is_digest(text: &str) -> bool {
    let (length, hex) = match text.split_once(':') {
        Some(("sha256", hex)) => (64, hex),
        Some(("sha512", hex)) => (128, hex),
        _ => return false,
    };
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    hex.len() == length && hex.bytes().all(is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_a_registry_of_the_configured_cloud() {
        let login = |text, cloud| {
            RegistryTarget::parse(text, cloud)
                .unwrap()
                .login
                .to_string()
        };
        assert_eq!(login("contoso", Cloud::Public), "contoso.azurecr.io");
        assert_eq!(login("contoso", Cloud::China), "contoso.azurecr.cn");
        assert_eq!(
            login("Contoso.azurecr.us", Cloud::Public),
            "contoso.azurecr.us"
        );
        for wrong in [
            "contoso.eastus.data.azurecr.io",
            "registry.example.org",
            "https://contoso.azurecr.io",
            "*.azurecr.io",
            "",
        ] {
            assert!(
                RegistryTarget::parse(wrong, Cloud::Public).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_name_for_az_has_no_hash() {
        let target = RegistryTarget::parse("contoso-e7ggejfuhzhgedc8", Cloud::Public).unwrap();
        assert!(target.is_hashed());
        assert_eq!(target.resource(), "contoso");
    }

    #[test]
    fn an_image_is_a_repository_with_a_tag_or_a_digest() {
        let digest = format!("sha256:{}", "a0".repeat(32));
        let login = "contoso.azurecr.io".parse().unwrap();
        for (text, repository, reference) in [
            ("app", "app", "latest"),
            ("team/app:1.0", "team/app", "1.0"),
            ("contoso.azurecr.io/team/app:1", "team/app", "1"),
            (&format!("app@{digest}"), "app", &*digest),
        ] {
            let image = text.parse::<Image>().unwrap().within(&login);
            assert_eq!(
                (image.repository.as_str(), image.reference.as_str()),
                (repository, reference)
            );
        }
    }

    #[test]
    fn an_image_that_would_change_the_path_of_a_request_is_refused() {
        for text in [
            "",
            "App",
            "a//b",
            "../app",
            "app?x",
            "app#x",
            "app:",
            "app:a/b",
            "app:a:b",
            "app:.x",
            "app@sha256:12",
            "app@sha256:../..",
            "a b",
            "/app",
            "app/",
        ] {
            assert!(text.parse::<Image>().is_err(), "{text}");
        }
    }
}
