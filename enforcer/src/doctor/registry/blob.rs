//! The origin of blobs, which decides whether pulls keep working once you enforce.

use super::response::{RegistryResult, no_response};
use super::target::RegistryTarget;
use crate::config::{Cloud, EndpointKind};
use crate::doctor::check::Check;
use crate::https::Url;
use crate::name::Name;

/// Ids of the checks.
pub(super) const REDIRECT: &str = "blobs";
const DATA: &str = "data endpoint";

/// A dedicated data endpoint that the registry redirects clients to, with the signed URL of the blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) host: Name,
    pub(super) url: Url,
}

/// Checks the response to the request for a blob, and returns the dedicated data endpoint that it redirects to. `migration`: the fix if it
/// redirects elsewhere.
pub(super) fn check_redirect(
    target: &RegistryTarget,
    migration: &str,
    result: &RegistryResult,
) -> (Check, Option<Redirect>) {
    let response = match result {
        Ok(response) => response,
        Err(why) => return (no_response(REDIRECT, &target.login, why), None),
    };
    let failed = |message: String, fix: &str| (Check::new(REDIRECT, false, message, fix), None);
    match (response.status, &response.location) {
        (301..=308, Some(location)) => match parse(location) {
            Some(redirect) => check_host(target, migration, redirect),
            None => failed(
                "redirected to something other than an https URL".to_owned(),
                "no Azure registry redirects there: find what responds in its place from here",
            ),
        },
        (200, _) => failed(
            "served by the login server itself, without a redirect".to_owned(),
            "an Azure registry redirects: find what responds in its place from here (a proxy, a mirror, a pull-through cache)",
        ),
        (401 | 403, _) => failed(
            format!("access refused, {}", response.outcome()),
            "use credentials that may pull (role AcrPull, or a token with content/read on this repository)",
        ),
        _ => failed(
            format!("not served, {}", response.outcome()),
            "try again later",
        ),
    }
}

fn parse(location: &str) -> Option<Redirect> {
    let url: Url = location.parse().ok()?;
    let host = url.name().filter(|_| url.port() == 443)?.clone();
    Some(Redirect { host, url })
}

fn check_host(
    target: &RegistryTarget,
    migration: &str,
    redirect: Redirect,
) -> (Check, Option<Redirect>) {
    let host = &redirect.host;
    if target.cloud.endpoint_kind(&target.login, host) == Some(EndpointKind::Data) {
        let message = format!("served by the dedicated data endpoint {host}");
        return (Check::new(REDIRECT, true, message, ""), Some(redirect));
    }
    if Cloud::ALL.into_iter().any(|cloud| cloud.is_storage(host)) {
        let message = format!(
            "served by the shared storage account {host}: enforcement denies it, and pulls would fail"
        );
        return (Check::new(REDIRECT, false, message, migration), None);
    }
    let message = format!(
        "served by {host}, which is no data endpoint of {}",
        target.login
    );
    let fix = "no Azure registry redirects there: find what responds in its place from here (a proxy, a mirror)";
    (Check::new(REDIRECT, false, message, fix), None)
}

/// Checks the response of the data endpoint `host` to the request for the first byte of a blob.
pub(super) fn check_blob(host: &Name, result: &RegistryResult) -> Check {
    match result {
        Ok(response) if matches!(response.status, 200 | 206) => {
            Check::new(DATA, true, format!("{host} serves the blob"), "")
        }
        Ok(response) => Check::new(
            DATA,
            false,
            format!("{host} does not serve the blob, {}", response.outcome()),
            "try again; if that does not help, find what responds in its place from here",
        ),
        Err(why) => no_response(DATA, host, why),
    }
}

/// Checks that the data endpoint `host` responds; without a signed URL it serves nothing, so any response passes.
pub(super) fn check_reachable(host: &Name, result: &RegistryResult) -> Check {
    match result {
        Ok(_) => Check::new(DATA, true, format!("{host} is reachable"), ""),
        Err(why) => no_response(DATA, host, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::registry::response::{NoResponse, RegistryResponse};

    fn judged(status: u16, location: Option<&str>) -> (Check, Option<Redirect>) {
        let target = RegistryTarget::parse("contoso", Cloud::Public).unwrap();
        let response = RegistryResponse {
            status,
            location: location.map(str::to_owned),
            ..RegistryResponse::default()
        };
        check_redirect(&target, "first allow, then enable", &Ok(response))
    }

    #[test]
    fn a_data_endpoint_of_this_registry_passes() {
        let location =
            "https://contoso.eastus.data.azurecr.io/?t=x&h=contoso.azurecr.io&s=s1gnature";
        let (check, redirect) = judged(307, Some(location));
        assert!(check.is_ok(), "{check:?}");
        let redirect = redirect.unwrap();
        assert!(redirect.url.path_and_query().ends_with("&s=s1gnature"));
        assert!(!format!("{redirect:?}").contains("s1gnature"));
        assert!(!check.message.contains("s1gnature"), "{check:?}");
    }

    #[test]
    fn a_storage_account_fails_with_the_migration() {
        for host in [
            "weumanaged15.blob.core.windows.net",
            "x.blob.core.chinacloudapi.cn",
            "x.z12.blob.storage.azure.net",
        ] {
            let location = format!("https://{host}/docker/registry/v2/blobs?sig=s1gnature");
            let (check, redirect) = judged(307, Some(&location));
            assert!(!check.is_ok() && redirect.is_none());
            assert!(check.message.contains(host), "{check:?}");
            assert_eq!(check.fix, "first allow, then enable");
            assert!(!format!("{check:?}").contains("s1gnature"), "{check:?}");
        }
    }

    #[test]
    fn any_other_response_fails_and_is_not_followed() {
        for (status, location, found) in [
            (
                307,
                Some("https://evil.eastus.data.azurecr.io/"),
                "no data endpoint of contoso",
            ),
            (
                307,
                Some("https://contoso.eastus.data.azurecr.us/"),
                "no data endpoint of contoso",
            ),
            (
                307,
                Some("https://contoso.azurecr.io/v2/"),
                "no data endpoint of contoso",
            ),
            (
                307,
                Some("http://contoso.eastus.data.azurecr.io/"),
                "other than an https URL",
            ),
            (
                307,
                Some("https://contoso.eastus.data.azurecr.io@evil.example/"),
                "other than an https URL",
            ),
            (
                307,
                Some("https://contoso.eastus.data.azurecr.io:8443/"),
                "other than an https URL",
            ),
            (307, Some("/v2/blob"), "other than an https URL"),
            (307, None, "not served"),
            (200, None, "without a redirect"),
            (401, None, "access refused"),
            (404, None, "not served"),
        ] {
            let (check, redirect) = judged(status, location);
            assert!(!check.is_ok() && redirect.is_none(), "{location:?}");
            assert!(check.message.contains(found), "{check:?}");
        }
    }

    #[test]
    fn any_response_of_a_data_endpoint_makes_it_reachable() {
        let host = "contoso.eastus.data.azurecr.io".parse().unwrap();
        let answer = |status| {
            Ok(RegistryResponse {
                status,
                ..RegistryResponse::default()
            })
        };
        assert!(check_blob(&host, &answer(206)).is_ok());
        assert!(check_blob(&host, &answer(200)).is_ok());
        assert!(!check_blob(&host, &answer(403)).is_ok());
        assert!(check_reachable(&host, &answer(403)).is_ok());
        assert!(!check_reachable(&host, &Err(NoResponse::Refused)).is_ok());
        let refused = check_blob(&host, &Err(NoResponse::Refused));
        assert!(
            refused.fix.contains("explain contoso.eastus"),
            "{refused:?}"
        );
    }
}
