//! The addresses of a name, and whether the answer check accepts them.

use std::net::IpAddr;

use crate::doctor::check::Check;
use crate::doctor::host::resolvers;
use crate::name::Name;
use crate::resolver::answer::{Answer, AnswerVerdict, Resolved};
use crate::sources::Sources;

const NO_ADDRESS: &str = "check spelling and region: a data endpoint has an address once dedicated data endpoints are enabled and the region has a replica (az acr show-endpoints)";
const REFUSED: &str = "such an answer allows no address: check this host's resolvers; add the addresses of a private endpoint to private-endpoints";

/// The accepted addresses of a name, IPv4 first, and its CNAME chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ResolvedName {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) chain: Vec<Name>,
}

/// Checks the answer for `name`, and returns its accepted addresses. `sources`: the service tags and the answer check.
pub(super) fn check_answer(
    sources: &Sources,
    name: &Name,
    answer: &Answer,
) -> (Check, ResolvedName) {
    let id = format!("name {name}");
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
        return (unresolved(&id, answer), ResolvedName::default());
    }
    let refused = |verdict: &AnswerVerdict| matches!(verdict, AnswerVerdict::Refuse(_));
    let accepted = !checked.iter().any(|(_, verdict)| refused(verdict));
    let texts: Vec<String> = checked
        .iter()
        .map(|checked| address_text(sources, checked))
        .collect();
    let check = Check::new(
        &id,
        accepted,
        format!("{}{}", texts.join(", "), via(&chain)),
        REFUSED,
    );
    let good = checked.iter().filter(|(_, verdict)| !refused(verdict));
    let addresses = good.map(|(address, _)| *address).collect();
    (check, ResolvedName { addresses, chain })
}

fn address_text(sources: &Sources, (address, verdict): &(IpAddr, AnswerVerdict)) -> String {
    match verdict {
        AnswerVerdict::Accept => match sources.tag_of(*address) {
            Some(tag) => format!("{address} in {tag}"),
            None => format!("{address}, a private endpoint"),
        },
        AnswerVerdict::AcceptUntagged => format!("{address} in no service tag"),
        AnswerVerdict::Refuse(why) => format!("{address} refused: {why}"),
    }
}

fn via(chain: &[Name]) -> String {
    if chain.is_empty() {
        return String::new();
    }
    let chain: Vec<&str> = chain.iter().map(Name::as_str).collect();
    format!(", via {}", chain.join(" → "))
}

fn unresolved(id: &str, answer: &Answer) -> Check {
    let failure = resolvers::failure(answer);
    let message = failure.map_or_else(String::new, |(failure, _)| failure.to_string());
    let fix = match failure {
        Some((_, true)) => NO_ADDRESS,
        Some((_, false)) | None => resolvers::FIX,
    };
    Check::new(id, false, message, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::doctor::host::configuration::read_sources;
    use crate::resolver::answer::LookupFailure;
    use crate::sources::Source;

    fn checked(v4: Result<&[&str], LookupFailure>) -> (Check, ResolvedName) {
        let login: Name = "contoso.azurecr.io".parse().unwrap();
        let config = Config::for_registries(std::slice::from_ref(&login), &[]).unwrap();
        let sources = read_sources(Source::CommandLine(Box::new(config))).unwrap();
        let v4 = v4.map(|addresses| Resolved {
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            chain: vec!["eus-3.fe.azcr.io".parse().unwrap()],
            ..Resolved::default()
        });
        let v6 = Err(LookupFailure::NoAddress { ttl: None });
        check_answer(&sources, &login, &Answer { v4, v6 })
    }

    #[test]
    fn an_address_is_shown_with_its_service_tag_and_the_cname_chain() {
        let (check, resolved) = checked(Ok(&["20.42.66.0", "10.1.0.4"]));
        assert!(check.is_ok(), "{check:?}");
        assert_eq!(
            check.message,
            "20.42.66.0 in AzureContainerRegistry, 10.1.0.4 in no service tag, via eus-3.fe.azcr.io"
        );
        assert_eq!(resolved.addresses.len(), 2);
    }

    #[test]
    fn an_address_in_storage_fails_and_is_not_connected_to() {
        let (check, resolved) = checked(Ok(&["52.239.169.228", "20.42.66.0"]));
        assert!(!check.is_ok());
        assert!(
            check
                .message
                .contains("52.239.169.228 refused: it lies in Storage"),
            "{check:?}"
        );
        assert_eq!(
            resolved.addresses,
            ["20.42.66.0".parse::<IpAddr>().unwrap()]
        );
    }

    #[test]
    fn a_name_without_an_address_and_a_failing_resolver_have_different_fixes() {
        let (missing, resolved) = checked(Err(LookupFailure::NxDomain));
        assert!(
            !missing.is_ok() && missing.fix.contains("az acr show-endpoints"),
            "{missing:?}"
        );
        assert!(resolved.addresses.is_empty());
        let (empty, _) = checked(Ok(&[]));
        assert!(!empty.is_ok(), "{empty:?}");
    }
}
