//! Whether an IPsec policy hides packets to protected addresses.

use super::configuration::configured_sources;
use super::inputs::Host;
use crate::core::{AlarmKind, IpsecPolicy, hidden_by};
use crate::doctor::check::Check;
use crate::policy::Protected;
use crate::sources::Sources;
use crate::sys::ipsec_policies;

const ID: &str = "IPsec policies";
const FIX: &str = "route the tunnel over an xfrm interface: docs/frames.md";

/// Checks the policies of this network namespace, or what the daemon found of its own; nothing to check if there are none, or if the configuration cannot
/// be read, which another check reports.
pub(super) fn check(host: &Host<'_>) -> Option<Check> {
    if let Some(status) = host.running() {
        let kind = AlarmKind::IpsecPolicy.word();
        let alarms = status.alarms.iter().filter(|alarm| alarm.kind == kind);
        let hidden: Vec<_> = alarms.map(|alarm| alarm.message.clone()).collect();
        return (!hidden.is_empty()).then(|| check_hidden(&hidden));
    }
    match ipsec_policies() {
        Ok(policies) if policies.is_empty() => None,
        Ok(policies) => Some(check_policies(&policies, &configured_sources(host)?)),
        Err(error) => Some(Check::unknown(ID, error.to_string(), "run doctor as root")),
    }
}

fn check_policies(policies: &[IpsecPolicy], sources: &Sources) -> Check {
    let protected = sources.layers().map(|layers| Protected {
        layers,
        nat64: sources.config.protect.nat64.clone(),
        exempt: Vec::new(),
    });
    match protected {
        Ok(protected) => {
            let hidden = hidden_by(policies, &protected, sources.config.protect.default);
            check_hidden(&hidden.into_values().collect::<Vec<_>>())
        }
        Err(error) => Check::unknown(ID, format!("{error:#}"), "run `egress-enforcer check`"),
    }
}

fn check_hidden(hidden: &[String]) -> Check {
    let message = match hidden {
        [] => "none hides packets to protected addresses".to_owned(),
        hidden => hidden.join("; "),
    };
    Check::new(ID, hidden.is_empty(), message, FIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_to_protected_addresses_fails() {
        let sources = Sources::of_text("registry = []\n");
        let policy = |destination: &str| IpsecPolicy {
            source: "0.0.0.0/0".parse().unwrap(),
            destination: destination.parse().unwrap(),
            transport: 0,
            is_outgoing: true,
            allows: true,
            transforms: true,
            interface: 0,
        };
        let site = check_policies(&[policy("10.0.0.0/8")], &sources);
        assert!(site.is_ok() && site.message.starts_with("none"), "{site:?}");
        let all = check_policies(&[policy("0.0.0.0/0")], &sources);
        assert!(all.is_failed() && all.fix.contains("xfrm"), "{all:?}");
        assert!(all.message.contains("dst 0.0.0.0/0"), "{all:?}");
    }
}
