//! Whether the resolvers answer, each asked once.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::cli::daemon_link::{status_if_running, wait_for};
use crate::config::{Cloud, Config, Paths};
use crate::daemon::DNS_UNOBSERVED;
use crate::kernel::Check;
use crate::name::Name;
use crate::resolver::answer::{Answer, LookupFailure};
use crate::resolver::lookup::Lookup;
use crate::resolver::resolv_conf::{ResolvConfError, system_resolvers};

/// A resolver that takes longer would hold up every pull.
const PATIENCE: Duration = Duration::from_secs(2);
pub(super) const FIX: &str =
    "fix the network or /etc/resolv.conf, or name other resolvers under [dns] servers";

/// Asks each resolver for the first registry of the configuration or, where there is none, for the registries' common domain.
///
/// # Errors
/// Where no event loop can be had.
pub(super) fn resolvers(config: Option<&Config>) -> Result<Vec<Check>> {
    let servers = match servers(config) {
        Ok(servers) => servers,
        Err(error) => {
            let found = error.to_string();
            return Ok(vec![Check::new("resolvers", false, found, FIX)]);
        }
    };
    let registry = config.and_then(|config| config.registries.first());
    let registry = registry.map(|registry| registry.login_server.clone());
    wait_for(ask_all(servers, registry))?
}

/// That the kernel programs do not see what resolvers answer, where the daemon says so.
pub(super) fn observation(paths: &Paths) -> Option<Check> {
    let status = status_if_running(paths).ok()??;
    let mut alarms = status.alarms.into_iter();
    let alarm = alarms.find(|alarm| alarm.kind == DNS_UNOBSERVED)?;
    let fix = "keep the resolvers out of what rewrites connections on this host, or name the server that answers under [dns] servers";
    Some(Check::new("DNS answers", false, alarm.message, fix))
}

/// Whom the daemon asks: the resolvers of the configuration or, where it names none, the system's.
///
/// # Errors
/// Where the system's cannot be read.
pub(super) fn servers(config: Option<&Config>) -> Result<Vec<SocketAddr>, ResolvConfError> {
    let configured = config.map(|config| config.dns.servers.clone());
    match configured.filter(|servers| !servers.is_empty()) {
        Some(servers) => Ok(servers),
        None => Ok(system_resolvers()?.ask),
    }
}

/// Why an answer has no address, and whether a resolver says that there is none.
pub(super) fn failure(answer: &Answer) -> Option<(&LookupFailure, bool)> {
    let families = [&answer.v4, &answer.v6].into_iter();
    let failures: Vec<&LookupFailure> = families
        .filter_map(|family| family.as_ref().err())
        .collect();
    let denial = failures.iter().find(|failure| {
        matches!(
            failure,
            LookupFailure::NxDomain | LookupFailure::NoAddress { .. }
        )
    });
    let telling = denial.or(failures.first())?;
    Some((telling, denial.is_some()))
}

async fn ask_all(servers: Vec<SocketAddr>, registry: Option<Name>) -> Result<Vec<Check>> {
    let mut asked = Vec::new();
    for server in servers {
        asked.push(tokio::spawn(ask(server, registry.clone())));
    }
    let mut checks = Vec::new();
    for check in asked {
        checks.push(check.await??);
    }
    Ok(checks)
}

async fn ask(server: SocketAddr, registry: Option<Name>) -> Result<Check> {
    let what = format!("resolver {server}");
    let must_exist = registry.is_some();
    let name = match registry {
        Some(name) => name,
        None => Cloud::default().registry_suffix().parse()?,
    };
    let lookup = Lookup::new(&[server])?;
    let answer = lookup.resolve_within(&name, PATIENCE).await;
    Ok(judge(&what, &name, must_exist, &answer))
}

fn judge(what: &str, name: &Name, must_exist: bool, answer: &Answer) -> Check {
    let families = [&answer.v4, &answer.v6];
    let addresses: usize = families
        .iter()
        .filter_map(|family| family.as_ref().ok())
        .map(|resolved| resolved.addresses.len())
        .sum();
    if addresses > 0 {
        let silent = families.contains(&&Err(LookupFailure::Timeout));
        let silent = if silent {
            ", and the question for those of the other family gets no answer"
        } else {
            ""
        };
        let found = format!("{name} has {addresses} addresses{silent}");
        return Check::new(what, true, found, FIX);
    }
    let failure = failure(answer);
    let found = failure.map_or_else(String::new, |(failure, _)| format!("{name}: {failure}"));
    let denied = failure.is_some_and(|(_, denied)| denied);
    if denied && must_exist {
        let fix = "check login-server in the configuration, and that this resolver knows the Internet's names";
        return Check::new(what, false, found, fix);
    }
    Check::new(what, denied, found, FIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolver::answer::Resolved;

    fn fit(must_exist: bool, v4: Result<Resolved, LookupFailure>, v6: LookupFailure) -> bool {
        let answer = Answer { v4, v6: Err(v6) };
        judge(
            "resolver",
            &"contoso.azurecr.io".parse().unwrap(),
            must_exist,
            &answer,
        )
        .is_ok()
    }

    #[test]
    fn a_resolver_is_fit_when_it_answers_and_knows_the_registry() {
        let none = LookupFailure::NoAddress { ttl: None };
        let resolved = Resolved {
            addresses: vec!["20.42.66.0".parse().unwrap()],
            ..Resolved::default()
        };
        assert!(fit(true, Ok(resolved), LookupFailure::Timeout));
        assert!(!fit(
            true,
            Err(LookupFailure::NxDomain),
            LookupFailure::NxDomain
        ));
        assert!(fit(false, Err(none.clone()), LookupFailure::Timeout));
        assert!(!fit(true, Err(none), LookupFailure::Timeout));
        assert!(!fit(
            false,
            Err(LookupFailure::Timeout),
            LookupFailure::Timeout
        ));
    }

    #[test]
    fn a_server_that_nobody_runs_is_unfit() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let deaf = socket.local_addr().unwrap();
        drop(socket);
        let checks = wait_for(ask_all(vec![deaf], None)).unwrap().unwrap();
        assert!(!checks[0].is_ok(), "{checks:?}");
        assert!(!checks[0].fix.is_empty());
    }
}
