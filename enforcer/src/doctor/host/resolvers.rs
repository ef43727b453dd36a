//! Whether each resolver answers, and whether DNS snooping sees the answers.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::config::{Cloud, Config};
use crate::core::AlarmKind;
use crate::core::Status;
use crate::doctor::check::Check;
use crate::name::Name;
use crate::resolver::answer::{Answer, LookupFailure};
use crate::resolver::lookup::Lookup;
use crate::resolver::resolv_conf::{ResolvConfError, system_resolvers};

/// Time limit of one query: a slower resolver delays every pull.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The fix if no resolver answers.
pub(in crate::doctor) const FIX: &str =
    "fix the network or /etc/resolv.conf, or set other resolvers in dns.servers";

/// Queries each resolver for the first registry of the configuration or, if there is none, for the domain of all registries.
///
/// # Errors
/// If no query can be sent.
pub(super) async fn check(config: Option<&Config>) -> Result<Vec<Check>> {
    let servers = match servers(config) {
        Ok(servers) => servers,
        Err(error) => {
            return Ok(vec![Check::new("resolvers", false, error.to_string(), FIX)]);
        }
    };
    let registry = config.and_then(|config| config.registries.first());
    let registry = registry.map(|registry| registry.login_server.clone());
    query_all(servers, registry).await
}

/// Fails if the daemon has the alarm that the kernel programs do not see the answers of the resolvers.
pub(super) fn check_dns_snooping(status: &Status) -> Option<Check> {
    let mut alarms = status.alarms.iter();
    let alarm = alarms.find(|alarm| alarm.kind == AlarmKind::DnsUnobserved.word())?;
    let fix = "exempt the resolvers from what rewrites connections on this host, or name the server that answers in dns.servers";
    Some(Check::new("DNS answers", false, &alarm.message, fix))
}

/// Returns the resolvers that the daemon queries: those of the configuration or, if it names none, the system's.
///
/// # Errors
/// If the system's cannot be read.
pub(in crate::doctor) fn servers(
    config: Option<&Config>,
) -> Result<Vec<SocketAddr>, ResolvConfError> {
    let configured = config.map(|config| config.dns.servers.clone());
    match configured.filter(|servers| !servers.is_empty()) {
        Some(servers) => Ok(servers),
        None => Ok(system_resolvers()?.ask),
    }
}

/// Returns why an answer has no address, and whether a resolver stated that there is none.
pub(in crate::doctor) fn failure(answer: &Answer) -> Option<(&LookupFailure, bool)> {
    let families = [&answer.v4, &answer.v6].into_iter();
    let failures: Vec<&LookupFailure> = families
        .filter_map(|family| family.as_ref().err())
        .collect();
    let negative = failures.iter().find(|failure| {
        matches!(
            failure,
            LookupFailure::NxDomain | LookupFailure::NoAddress { .. }
        )
    });
    let failure = negative.or(failures.first())?;
    Some((failure, negative.is_some()))
}

async fn query_all(servers: Vec<SocketAddr>, registry: Option<Name>) -> Result<Vec<Check>> {
    let queries: Vec<_> = servers
        .into_iter()
        .map(|server| tokio::spawn(query(server, registry.clone())))
        .collect();
    let mut checks = Vec::new();
    for query in queries {
        checks.push(query.await??);
    }
    Ok(checks)
}

async fn query(server: SocketAddr, registry: Option<Name>) -> Result<Check> {
    let id = format!("resolver {server}");
    let must_exist = registry.is_some();
    let name = match registry {
        Some(name) => name,
        None => Cloud::default().registry_suffix().parse()?,
    };
    let lookup = Lookup::new(&[server])?;
    let answer = lookup.resolve_within(&name, TIMEOUT).await;
    Ok(check_answer(&id, &name, must_exist, &answer))
}

fn check_answer(id: &str, name: &Name, must_exist: bool, answer: &Answer) -> Check {
    let families = [&answer.v4, &answer.v6];
    let addresses: usize = families
        .iter()
        .filter_map(|family| family.as_ref().ok())
        .map(|resolved| resolved.addresses.len())
        .sum();
    if addresses > 0 {
        let timeout = if families.contains(&&Err(LookupFailure::Timeout)) {
            ", and the query for the other address family timed out"
        } else {
            ""
        };
        let message = format!("{name} has {addresses} addresses{timeout}");
        return Check::new(id, true, message, FIX);
    }
    let failure = failure(answer);
    let message = failure.map_or_else(String::new, |(failure, _)| format!("{name}: {failure}"));
    let is_negative = failure.is_some_and(|(_, is_negative)| is_negative);
    if is_negative && must_exist {
        let fix =
            "check login-server in the configuration, and that this resolver resolves public names";
        return Check::new(id, false, message, fix);
    }
    Check::new(id, is_negative, message, FIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolver::answer::Resolved;

    fn is_ok(must_exist: bool, v4: Result<Resolved, LookupFailure>, v6: LookupFailure) -> bool {
        let answer = Answer { v4, v6: Err(v6) };
        let name = "contoso.azurecr.io".parse().unwrap();
        check_answer("resolver", &name, must_exist, &answer).is_ok()
    }

    #[test]
    fn a_resolver_passes_when_it_answers_and_resolves_the_registry() {
        use LookupFailure::{NoAddress, NxDomain, Timeout};
        let none = NoAddress { ttl: None };
        let resolved = Resolved {
            addresses: vec!["20.42.66.0".parse().unwrap()],
            ..Resolved::default()
        };
        assert!(is_ok(true, Ok(resolved), Timeout));
        assert!(!is_ok(true, Err(NxDomain), NxDomain));
        assert!(is_ok(false, Err(none.clone()), Timeout));
        assert!(!is_ok(true, Err(none), Timeout));
        assert!(!is_ok(false, Err(Timeout), Timeout));
    }

    #[tokio::test]
    async fn an_address_without_a_resolver_fails() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let unused = socket.local_addr().unwrap();
        drop(socket);
        let checks = query_all(vec![unused], None).await.unwrap();
        assert!(checks[0].is_failed(), "{checks:?}");
        assert!(!checks[0].fix.is_empty());
    }
}
