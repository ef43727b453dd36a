//! IPsec policies of this host. A packet to which one applies is encrypted before the programs of cgroup and device see it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::alarm_kind::AlarmKind;
use super::ipsec_policy::IpsecPolicy;
use super::start::Findings;
use super::state::State;
use crate::config::DefaultAction;
use crate::policy::{Protected, ProtectedRanges, address};

impl State {
    /// Takes the policies of the daemon's network namespace.
    pub(super) fn ipsec_policies_listed(&mut self, policies: Vec<IpsecPolicy>) {
        self.ipsec = policies;
        self.report_ipsec();
    }

    /// Updates the alarms about policies that hide packets to protected addresses. They stay while the protected set in force is not known.
    pub(super) fn report_ipsec(&mut self) {
        if let Some((protected, _)) = &self.maps.in_force {
            let default = self.sources.config.protect.default;
            let hidden = hidden_by(&self.ipsec, protected, default);
            self.alarms.replace(AlarmKind::IpsecPolicy, &hidden);
        }
    }
}

/// Returns a message for each policy that hides packets to protected addresses or, if the default is to deny, to addresses on the internet.
pub(crate) fn hidden_by(
    policies: &[IpsecPolicy],
    protected: &Protected,
    default: DefaultAction,
) -> Findings {
    let hiding: Vec<_> = policies.iter().filter(|policy| policy.hides()).collect();
    if hiding.is_empty() {
        return Findings::new();
    }
    let ranges = ProtectedRanges::of(protected);
    let is_denied = |prefix: &IpNet| {
        let is_global = |ip: IpAddr| address(ip).is_global();
        let [first, last] = [prefix.network(), prefix.broadcast()].map(is_global);
        ranges.overlap(prefix) || (default == DefaultAction::Deny && (first || last))
    };
    let hiding = hiding.into_iter();
    let hiding = hiding.filter(|policy| is_denied(&policy.destination));
    hiding
        .map(|policy| (policy.to_string(), message(policy)))
        .collect()
}

fn message(policy: &IpsecPolicy) -> String {
    format!(
        "IPsec encrypts packets to protected addresses before they are judged (ip xfrm policy: {policy}): of these, only connect and \
         sendmsg are; route the tunnel over an xfrm interface (ip link add ipsec0 type xfrm if_id 1, and that if_id in the policy), where \
         packets are judged before they are encrypted"
    )
}

#[cfg(test)]
mod tests {
    use enforcer_common::Class;

    use super::*;
    use crate::policy::Layer;

    fn tunnel(destination: &str) -> IpsecPolicy {
        IpsecPolicy {
            source: "10.0.0.0/8".parse().unwrap(),
            destination: destination.parse().unwrap(),
            transport: 0,
            is_outgoing: true,
            allows: true,
            transforms: true,
            interface: 0,
        }
    }

    fn hidden(policies: &[IpsecPolicy], default: DefaultAction) -> Vec<String> {
        let protected = Protected {
            layers: vec![Layer {
                class: Class::Storage,
                prefixes: vec!["20.38.98.0/24".parse().unwrap()],
            }],
            ..Protected::default()
        };
        let hidden = hidden_by(policies, &protected, default);
        hidden.into_keys().collect()
    }

    #[test]
    fn tunnels_to_protected_addresses_hide_packets() {
        let policies = [
            tunnel("0.0.0.0/0"),
            tunnel("20.0.0.0/8"),
            tunnel("52.0.0.0/8"),
            tunnel("192.168.0.0/16"),
        ];
        let expected = [
            "src 10.0.0.0/8 dst 0.0.0.0/0",
            "src 10.0.0.0/8 dst 20.0.0.0/8",
        ];
        assert_eq!(hidden(&policies, DefaultAction::Allow), expected);
        let all = hidden(&policies, DefaultAction::Deny);
        assert_eq!(all.len(), 3, "{all:?}");
        assert!(!all.contains(&policies[3].to_string()));
    }

    #[test]
    fn policies_that_encrypt_nothing_or_belong_to_an_interface_hide_nothing() {
        let all = tunnel("0.0.0.0/0");
        let policies = [
            IpsecPolicy {
                is_outgoing: false,
                ..all.clone()
            },
            IpsecPolicy {
                allows: false,
                ..all.clone()
            },
            IpsecPolicy {
                transforms: false,
                ..all.clone()
            },
            IpsecPolicy {
                interface: 7,
                ..all.clone()
            },
        ];
        assert!(hidden(&policies, DefaultAction::Allow).is_empty());
        let udp = IpsecPolicy {
            transport: 17,
            ..all
        };
        let found = hidden(&[udp], DefaultAction::Allow);
        assert_eq!(found, ["src 10.0.0.0/8 dst 0.0.0.0/0 proto 17"]);
    }
}
