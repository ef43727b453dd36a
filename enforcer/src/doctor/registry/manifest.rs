//! The manifest of an image, which names its blobs.

use serde::Deserialize;

use super::response::{RegistryResult, no_response};
use super::target::{Image, RegistryTarget, is_digest};
use crate::doctor::check::Check;

/// Id of the check.
const IMAGE: &str = "image";
/// Media types of manifests: of one image, and of an image for several platforms.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// The digest that a manifest refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// The manifest of one platform.
    Platform(String),
    /// The config blob.
    Config(String),
}

#[derive(Deserialize)]
struct Document {
    config: Option<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}

/// Checks the response to the request for the manifest of `image`, and returns the digest that it refers to. Of an index, that is the entry for the
/// architecture `own` (in Rust's terms), or else the first.
pub(super) fn check_manifest(
    target: &RegistryTarget,
    image: &Image,
    own: &str,
    result: &RegistryResult,
) -> (Check, Option<Manifest>) {
    let response = match result {
        Ok(response) => response,
        Err(why) => return (no_response(IMAGE, &target.login, why), None),
    };
    let failed = |message: String, fix: &str| (Check::new(IMAGE, false, message, fix), None);
    match (response.status, parse(&response.body, own)) {
        (200, Some(manifest)) => {
            let message = format!("{image} exists");
            (Check::new(IMAGE, true, message, ""), Some(manifest))
        }
        (200, None) => failed(
            format!("the manifest of {image} names no config blob"),
            "name an image that `docker pull` takes",
        ),
        (401 | 403, _) => failed(
            format!("access to {image} refused, {}", response.outcome()),
            "use credentials that may pull it (role AcrPull, or a token with content/read on this repository)",
        ),
        (404, _) => failed(
            format!("{image} does not exist, {}", response.outcome()),
            &format!(
                "name an image in the registry (az acr repository list --name {})",
                target.resource()
            ),
        ),
        _ => failed(
            format!("{image} is not served, {}", response.outcome()),
            "try again later",
        ),
    }
}

/// Returns the failed check of an index that contains only indexes.
pub(super) fn too_deep(image: &Image) -> Check {
    let message = format!("{image} is an index of indexes");
    Check::new(
        IMAGE,
        false,
        message,
        "name an image that `docker pull` takes",
    )
}

fn parse(body: &[u8], own: &str) -> Option<Manifest> {
    let document: Document = serde_json::from_slice(body).ok()?;
    let digest =
        |descriptor: Descriptor| is_digest(&descriptor.digest).then_some(descriptor.digest);
    if let Some(config) = document.config {
        return digest(config).map(Manifest::Config);
    }
    let mut entries = document.manifests;
    let fits = |entry: &Descriptor| {
        let platform = entry.platform.as_ref();
        platform.is_some_and(|platform| {
            platform.os == "linux" && platform.architecture == architecture(own)
        })
    };
    let chosen = entries.iter().position(fits).unwrap_or(0);
    if entries.is_empty() {
        return None;
    }
    digest(entries.swap_remove(chosen)).map(Manifest::Platform)
}

/// Returns Go's name of an architecture, which images use (OCI image specification, "Image index").
fn architecture(own: &str) -> &str {
    match own {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Cloud;
    use crate::doctor::registry::response::RegistryResponse;

    fn digest(byte: &str) -> String {
        format!("sha256:{}", byte.repeat(32))
    }

    fn judged(status: u16, body: &str) -> (Check, Option<Manifest>) {
        let target = RegistryTarget::parse("contoso", Cloud::Public).unwrap();
        let response = RegistryResponse {
            status,
            body: body.as_bytes().to_vec(),
            ..RegistryResponse::default()
        };
        check_manifest(&target, &"app:1".parse().unwrap(), "x86_64", &Ok(response))
    }

    #[test]
    fn a_manifest_leads_to_its_config_blob() {
        let body = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{}"}},"layers":[]}}"#,
            digest("aa")
        );
        let (check, manifest) = judged(200, &body);
        assert!(check.is_ok());
        assert_eq!(manifest, Some(Manifest::Config(digest("aa"))));
    }

    #[test]
    fn an_index_leads_to_this_hosts_platform_or_else_the_first() {
        let entry = |byte: &str, platform: &str| {
            format!(
                r#"{{"digest":"{}","platform":{{"os":"linux","architecture":"{platform}"}}}}"#,
                digest(byte)
            )
        };
        for (entries, chosen) in [
            ([entry("aa", "arm64"), entry("bb", "amd64")], "bb"),
            ([entry("aa", "arm64"), entry("bb", "s390x")], "aa"),
        ] {
            let (_, manifest) = judged(200, &format!(r#"{{"manifests":[{}]}}"#, entries.join(",")));
            assert_eq!(manifest, Some(Manifest::Platform(digest(chosen))));
        }
    }

    #[test]
    fn no_digest_that_could_change_a_path_is_followed() {
        for body in [
            r#"{"config":{"digest":"sha256:../../x"}}"#,
            r#"{"manifests":[{"digest":"x"}]}"#,
            r#"{"manifests":[]}"#,
            "{}",
            "<html>",
        ] {
            let (check, manifest) = judged(200, body);
            assert!(!check.is_ok() && manifest.is_none(), "{body}");
        }
    }

    #[test]
    fn a_missing_manifest_is_explained() {
        for (status, fix) in [
            (401, "AcrPull"),
            (403, "AcrPull"),
            (404, "az acr repository list --name contoso"),
            (500, "later"),
        ] {
            let (check, _) = judged(status, "");
            assert!(!check.is_ok() && check.fix.contains(fix), "{check:?}");
        }
    }
}
