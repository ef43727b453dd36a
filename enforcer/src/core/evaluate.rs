//! Evaluates the daemon's state into the inputs that the policy is compiled from.

use std::net::IpAddr;

use anyhow::Result;

use super::exception_state::ExceptionState;
use super::policy_inputs::PolicyInputs;
use super::queried_names::watch;
use crate::config::{DefaultAction, FramesMode, Mode};
use crate::policy::{Inputs, NameIds, Protected, address};
use crate::sources::Sources;

/// Returns the protected prefixes, and the addresses exempt from them.
///
/// An address in a service tag is never exempt, for example not as a resolver announced by DHCP. Local addresses need an exemption only if
/// a configured prefix protects them.
///
/// # Errors
/// If the sources yield no protected set.
pub(crate) fn protected(sources: &Sources, candidates: &[IpAddr]) -> Result<Protected> {
    let in_tag = |ip: IpAddr| sources.tag_of(ip).is_some();
    let in_cidrs = |ip: IpAddr| sources.is_in_cidrs(ip);
    // A resolver in a protected prefix stays reachable if the configuration names it or its address is local.
    let named = |ip: IpAddr| {
        sources
            .config
            .dns
            .servers
            .iter()
            .any(|server| server.ip() == ip)
    };
    let stays_allowed = |ip: IpAddr| named(ip) || !address(ip).is_global();
    let mut exempt: Vec<IpAddr> = candidates
        .iter()
        .map(|ip| sources.effective_address(*ip))
        .filter(|ip| !in_tag(*ip))
        .filter(|ip| {
            if in_cidrs(*ip) {
                stays_allowed(*ip)
            } else {
                address(*ip).is_global()
            }
        })
        .collect();
    exempt.sort_unstable();
    exempt.dedup();
    Ok(Protected {
        layers: sources.layers()?,
        nat64: sources.config.protect.nat64.clone(),
        exempt,
    })
}

/// Returns all other policy inputs except the DNS snooping settings. New names get new ids in `ids`.
pub(crate) fn inputs(
    origins: &PolicyInputs<'_>,
    states: &[ExceptionState],
    ids: &mut NameIds,
) -> Inputs {
    let sources = origins.sources;
    let exceptions = || sources.config.exceptions.iter().zip(states);
    let scoped =
        exceptions().map(|(exception, state)| (&*exception.names, state.scopes(exception)));
    let effective = |ip| sources.effective_address(ip);
    let allowed = exceptions()
        .flat_map(|(exception, state)| state.inputs(exception, origins.cache, &effective));
    let mut names = origins.names(scoped, ids);
    if sources.config.dns.snoop {
        watch(&mut names, sources, ids);
    }
    Inputs {
        audit: sources.config.mode == Mode::Audit,
        default_allow: sources.config.protect.default == DefaultAction::Allow,
        allowed: origins.inherited.beside(origins.addresses()),
        exceptions: allowed.collect(),
        names,
        devices: sources.config.frames.mode != FramesMode::Off,
        ..Inputs::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the exempt addresses among candidates of every kind, with `more` appended to the configuration.
    fn exempt(more: &str) -> Vec<String> {
        let text = "registry = []\n[protect]\ncidrs = [\"52.1.0.0/16\", \"10.0.0.0/8\"]\n";
        let candidates = [
            "8.8.8.8",
            "192.168.0.1",
            "10.0.0.53",
            "52.1.2.3",
            "52.239.169.228",
            "64:ff9b::52.239.169.228",
        ];
        let candidates = candidates.map(|text| text.parse().unwrap());
        let protected = protected(&Sources::of_text(&format!("{text}{more}")), &candidates);
        let exempt = protected.unwrap().exempt;
        exempt.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_resolver_in_a_protected_prefix_is_not_exempt() {
        assert_eq!(exempt(""), ["8.8.8.8", "10.0.0.53"]);
    }

    #[test]
    fn a_configured_resolver_stays_allowed_in_a_protected_prefix() {
        let named = exempt("[dns]\nservers = [\"52.1.2.3\"]\n");
        assert_eq!(named, ["8.8.8.8", "10.0.0.53", "52.1.2.3"]);
    }
}
