//! Where the names lead, and whether they may.

use std::net::IpAddr;

use crate::cli::doctor::resolvers;
use crate::daemon::Sources;
use crate::kernel::Check;
use crate::name::Name;
use crate::resolver::answer::{Answer, AnswerVerdict, Resolved};

const NO_ADDRESS: &str = "check spelling and region: a data endpoint has an address once dedicated data endpoints are enabled and the region has a replica (az acr show-endpoints)";
const REFUSED: &str = "such an answer opens nothing: check this host's resolvers; addresses of a private endpoint belong under private-endpoints";

/// The addresses of an answer that may be connected to, IPv4 first, and the aliases that led there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) chain: Vec<Name>,
}

/// What the answer for `name` says, and the way there. `sources`: the service tags and the answer check.
pub(super) fn judge_answer(sources: &Sources, name: &Name, answer: &Answer) -> (Check, Way) {
    let what = format!("name {name}");
    let families = [&answer.v4, &answer.v6];
    let resolved: Vec<&Resolved> = families.into_iter().flatten().collect();
    let chain = resolved
        .first()
        .map_or_else(Vec::new, |found| found.chain.clone());
    let addresses = resolved.iter().flat_map(|found| &found.addresses);
    let checked: Vec<(IpAddr, AnswerVerdict)> = addresses
        .map(|address| (*address, sources.check_answer(name, *address)))
        .collect();
    if checked.is_empty() {
        return (unresolved(&what, answer), Way::default());
    }
    let refused = |verdict: &AnswerVerdict| matches!(verdict, AnswerVerdict::Refuse(_));
    let fit = !checked.iter().any(|(_, verdict)| refused(verdict));
    let told: Vec<String> = checked
        .iter()
        .map(|checked| told(sources, checked))
        .collect();
    let check = Check::new(
        &what,
        fit,
        format!("{}{}", told.join(", "), by(&chain)),
        REFUSED,
    );
    let good = checked.iter().filter(|(_, verdict)| !refused(verdict));
    let addresses = good.map(|(address, _)| *address).collect();
    (check, Way { addresses, chain })
}

fn told(sources: &Sources, (address, verdict): &(IpAddr, AnswerVerdict)) -> String {
    match verdict {
        AnswerVerdict::Accept => match sources.tag_of(*address) {
            Some(tag) => format!("{address} in {tag}"),
            None => format!("{address}, a private endpoint"),
        },
        AnswerVerdict::AcceptUntagged => format!("{address} in no service tag"),
        AnswerVerdict::Refuse(why) => format!("{address} refused: {why}"),
    }
}

fn by(chain: &[Name]) -> String {
    if chain.is_empty() {
        return String::new();
    }
    let chain: Vec<&str> = chain.iter().map(Name::as_str).collect();
    format!(", by {}", chain.join(" → "))
}

fn unresolved(what: &str, answer: &Answer) -> Check {
    let failure = resolvers::failure(answer);
    let found = failure.map_or_else(String::new, |(failure, _)| failure.to_string());
    let fix = match failure {
        Some((_, true)) => NO_ADDRESS,
        Some((_, false)) | None => resolvers::FIX,
    };
    Check::new(what, false, found, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::daemon::{Options, Source};
    use crate::resolver::answer::LookupFailure;

    fn judged(v4: Result<&[&str], LookupFailure>) -> (Check, Way) {
        let login: Name = "contoso.azurecr.io".parse().unwrap();
        let config = Config::for_registries(std::slice::from_ref(&login), &[]).unwrap();
        let sources = Sources::read(&Options {
            source: Source::Given(Box::new(config)),
            audit: false,
            ephemeral: false,
            scope: None,
        })
        .unwrap();
        let v4 = v4.map(|addresses| Resolved {
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            chain: vec!["eus-3.fe.azcr.io".parse().unwrap()],
            ..Resolved::default()
        });
        let v6 = Err(LookupFailure::NoAddress { ttl: None });
        judge_answer(&sources, &login, &Answer { v4, v6 })
    }

    #[test]
    fn an_address_is_told_with_its_service_tag_and_the_aliases() {
        let (check, way) = judged(Ok(&["20.42.66.0", "10.1.0.4"]));
        assert!(check.is_ok(), "{check:?}");
        assert_eq!(
            check.message,
            "20.42.66.0 in AzureContainerRegistry, 10.1.0.4 in no service tag, by eus-3.fe.azcr.io"
        );
        assert_eq!(way.addresses.len(), 2);
    }

    #[test]
    fn an_address_in_storage_is_unfit_and_not_connected_to() {
        let (check, way) = judged(Ok(&["52.239.169.228", "20.42.66.0"]));
        assert!(!check.is_ok());
        assert!(
            check
                .message
                .contains("52.239.169.228 refused: it lies in Storage"),
            "{check:?}"
        );
        assert_eq!(way.addresses, ["20.42.66.0".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_name_without_an_address_is_told_apart_from_a_resolver_that_fails() {
        let (missing, way) = judged(Err(LookupFailure::NxDomain));
        assert!(
            !missing.is_ok() && missing.fix.contains("az acr show-endpoints"),
            "{missing:?}"
        );
        assert!(way.addresses.is_empty());
        let (empty, _) = judged(Ok(&[]));
        assert!(!empty.is_ok(), "{empty:?}");
    }
}
