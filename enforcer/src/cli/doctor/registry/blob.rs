//! Where blobs come from: the question that decides whether pulls live with enforcement.

use super::reply::{Answer, unanswered};
use super::target::Target;
use crate::config::{Cloud, EndpointKind};
use crate::https::Url;
use crate::kernel::Check;
use crate::name::Name;

/// What these steps are called.
pub(super) const REDIRECT: &str = "blobs";
const DATA: &str = "data endpoint";

/// A dedicated data endpoint that the registry sends clients to, with the signed address of the blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) host: Name,
    pub(super) url: Url,
}

/// What the answer to the request for a blob says, and the dedicated data endpoint behind it. `migration`: what to do where there is none.
pub(super) fn judge_redirect(
    target: &Target,
    migration: &str,
    answer: &Answer,
) -> (Check, Option<Redirect>) {
    let reply = match answer {
        Ok(reply) => reply,
        Err(why) => return (unanswered(REDIRECT, &target.login, why), None),
    };
    let unfit = |found: String, fix: &str| (Check::new(REDIRECT, false, found, fix), None);
    match (reply.status, &reply.location) {
        (301..=308, Some(location)) => match read(location) {
            Some(redirect) => judge_host(target, migration, redirect),
            None => unfit(
                "come from an address that is none of https".to_owned(),
                "no Azure registry sends there: see what answers in its place from here",
            ),
        },
        (200, _) => unfit(
            "come from the login server itself, without a redirect".to_owned(),
            "an Azure registry redirects: see what answers in its place from here (a proxy, a mirror, a pull-through cache)",
        ),
        (401 | 403, _) => unfit(
            format!("may not be read, {}", reply.outcome()),
            "give credentials that may pull (role AcrPull, or a token with content/read on this repository)",
        ),
        _ => unfit(
            format!("do not come, {}", reply.outcome()),
            "try again later",
        ),
    }
}

fn read(location: &str) -> Option<Redirect> {
    let url: Url = location.parse().ok()?;
    let host = url.name().filter(|_| url.port() == 443)?.clone();
    Some(Redirect { host, url })
}

fn judge_host(target: &Target, migration: &str, redirect: Redirect) -> (Check, Option<Redirect>) {
    let host = &redirect.host;
    if target.cloud.endpoint_kind(&target.login, host) == Some(EndpointKind::Data) {
        let found = format!("come from the dedicated data endpoint {host}");
        return (Check::new(REDIRECT, true, found, ""), Some(redirect));
    }
    if Cloud::ALL.into_iter().any(|cloud| cloud.is_storage(host)) {
        let found = format!(
            "come from the shared storage account {host}: enforcement closes it, and pulls would fail"
        );
        return (Check::new(REDIRECT, false, found, migration), None);
    }
    let found = format!(
        "come from {host}, which is no data endpoint of {}",
        target.login
    );
    let fix = "no Azure registry sends there: see what answers in its place from here (a proxy, a mirror)";
    (Check::new(REDIRECT, false, found, fix), None)
}

/// What the answer of the data endpoint `host` to a request for the first byte says.
pub(super) fn judge_data(host: &Name, answer: &Answer) -> Check {
    match answer {
        Ok(reply) if matches!(reply.status, 200 | 206) => {
            Check::new(DATA, true, format!("{host} serves the blob"), "")
        }
        Ok(reply) => Check::new(
            DATA,
            false,
            format!("{host} does not serve the blob, {}", reply.outcome()),
            "try again; if it stays so, see what answers in its place from here",
        ),
        Err(why) => unanswered(DATA, host, why),
    }
}

/// What any answer of the data endpoint `host` says: without a signed address it serves nothing.
pub(super) fn judge_reach(host: &Name, answer: &Answer) -> Check {
    match answer {
        Ok(_) => Check::new(DATA, true, format!("{host} can be reached"), ""),
        Err(why) => unanswered(DATA, host, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::registry::reply::{Reply, Unanswered};

    fn judged(status: u16, location: Option<&str>) -> (Check, Option<Redirect>) {
        let target = Target::read("contoso", Cloud::Public).unwrap();
        let reply = Reply {
            status,
            location: location.map(str::to_owned),
            ..Reply::default()
        };
        judge_redirect(&target, "first open, then enable", &Ok(reply))
    }

    #[test]
    fn a_data_endpoint_of_this_registry_is_fit() {
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
    fn a_storage_account_is_unfit_and_tells_the_way_out() {
        for host in [
            "weumanaged15.blob.core.windows.net",
            "x.blob.core.chinacloudapi.cn",
            "x.z12.blob.storage.azure.net",
        ] {
            let location = format!("https://{host}/docker/registry/v2/blobs?sig=s1gnature");
            let (check, redirect) = judged(307, Some(&location));
            assert!(!check.is_ok() && redirect.is_none());
            assert!(check.message.contains(host), "{check:?}");
            assert_eq!(check.fix, "first open, then enable");
            assert!(!format!("{check:?}").contains("s1gnature"), "{check:?}");
        }
    }

    #[test]
    fn any_other_way_is_told_and_not_followed() {
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
                "none of https",
            ),
            (
                307,
                Some("https://contoso.eastus.data.azurecr.io@evil.example/"),
                "none of https",
            ),
            (
                307,
                Some("https://contoso.eastus.data.azurecr.io:8443/"),
                "none of https",
            ),
            (307, Some("/v2/blob"), "none of https"),
            (307, None, "do not come"),
            (200, None, "without a redirect"),
            (401, None, "may not be read"),
            (404, None, "do not come"),
        ] {
            let (check, redirect) = judged(status, location);
            assert!(!check.is_ok() && redirect.is_none(), "{location:?}");
            assert!(check.message.contains(found), "{check:?}");
        }
    }

    #[test]
    fn a_data_endpoint_that_answers_with_bytes_is_reachable() {
        let host = "contoso.eastus.data.azurecr.io".parse().unwrap();
        let answer = |status| {
            Ok(Reply {
                status,
                ..Reply::default()
            })
        };
        assert!(judge_data(&host, &answer(206)).is_ok());
        assert!(judge_data(&host, &answer(200)).is_ok());
        assert!(!judge_data(&host, &answer(403)).is_ok());
        assert!(judge_reach(&host, &answer(403)).is_ok());
        assert!(!judge_reach(&host, &Err(Unanswered::Refused)).is_ok());
        let refused = judge_data(&host, &Err(Unanswered::Refused));
        assert!(
            refused.fix.contains("explain contoso.eastus"),
            "{refused:?}"
        );
    }
}
