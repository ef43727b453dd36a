//! The TLS check on the live maps, with the code of the kernel programs.

use enforcer_common::layout::{Deadline, NameEntry, NameKey};
use enforcer_common::tls::{FlowState, Grant, GrantValidity, NamePolicy, Segment, TcpSegment};
use enforcer_common::{Address, Decision, Flow, Reason};

use super::client_hello::client_hello;
use crate::bpf::LivePolicy;

/// Flags of a TCP segment with data (RFC 9293 section 3.1): ACK and PSH.
const DATA: u8 = 0x18;

impl LivePolicy<'_> {
    /// The reason for a ClientHello with `server_name`, after `decision` on `flow`.
    pub fn check_client_hello(&self, flow: &Flow, decision: Decision, server_name: &str) -> Reason {
        if !matches!(decision.reason, Reason::AllowedName | Reason::ExceptionName) {
            return decision.reason;
        }
        let connection = Connection {
            policy: self,
            decision,
        };
        let checked = check(flow.destination, server_name, &connection);
        checked.map_or_else(|reason| reason, |()| decision.reason)
    }
}

fn check(address: Address, server_name: &str, names: &impl NamePolicy) -> Result<(), Reason> {
    let hello = client_hello(server_name);
    let segment = TcpSegment {
        sequence: 0,
        flags: DATA,
        at: 0,
        len: u32::try_from(hello.len()).unwrap_or(u32::MAX),
    };
    let mut state = FlowState::UNTRACKED;
    state.begin(address, segment.sequence);
    state.check_segment(&Payload(&hello), segment, address, names)
}

/// A segment's payload.
struct Payload<'a>(&'a [u8]);

impl Segment for Payload<'_> {
    fn word(&self, offset: u32, len: u32) -> Option<u64> {
        let from = usize::try_from(offset).ok()?;
        let len = usize::try_from(len).ok()?;
        let bytes = self.0.get(from..from.checked_add(len)?)?;
        let mut word = [0; 8];
        word.get_mut(..len)?.copy_from_slice(bytes);
        Some(u64::from_le_bytes(word))
    }
}

/// A connection to an address that a name allows.
struct Connection<'a> {
    policy: &'a LivePolicy<'a>,
    decision: Decision,
}

impl GrantValidity for Connection<'_> {
    /// Constant: no state is kept between segments.
    fn epoch(&self) -> u64 {
        0
    }

    fn is_ahead(&self, deadline: Deadline) -> bool {
        self.policy.is_ahead(deadline)
    }
}

impl NamePolicy for Connection<'_> {
    fn entry(&self, key: &NameKey) -> Option<NameEntry> {
        self.policy.name(key)
    }

    fn grant(&self, names: [u32; 2]) -> Option<Grant> {
        let address = self.decision.destination;
        let by_exception = self.decision.reason == Reason::ExceptionName;
        let cgroups = by_exception.then(|| self.policy.cgroups_with_exceptions());
        let mut scopes = std::iter::once(0).chain(cgroups.into_iter().flatten());
        scopes.find_map(|cgroup| {
            let deadline = self.policy.bound(cgroup, address, names)?;
            Some(Grant { cgroup, deadline })
        })
    }

    fn audits(&self) -> bool {
        self.policy.audits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::name_key;

    const HERE: Address = Address::from_v6(1);
    const LOGIN: u32 = 1;
    const PATTERN: u32 = 2;
    const ELSEWHERE: u32 = 3;

    /// Names that grant the address.
    struct Known(Vec<u32>);

    impl GrantValidity for Known {
        fn epoch(&self) -> u64 {
            0
        }

        fn is_ahead(&self, _: Deadline) -> bool {
            true
        }
    }

    impl NamePolicy for Known {
        fn entry(&self, key: &NameKey) -> Option<NameEntry> {
            let known = [
                ("contoso.azurecr.io", LOGIN),
                ("contoso.*.data.azurecr.io", PATTERN),
                ("fabrikam.azurecr.io", ELSEWHERE),
            ];
            let (_, id) = known.into_iter().find(|(name, _)| name_key(name) == *key)?;
            let entry = NameEntry::default();
            Some(NameEntry { id, ..entry })
        }

        fn grant(&self, names: [u32; 2]) -> Option<Grant> {
            let leads = names.iter().any(|name| self.0.contains(name));
            leads.then_some(Grant {
                cgroup: 0,
                deadline: Deadline::MAX,
            })
        }

        fn audits(&self) -> bool {
            false
        }
    }

    #[test]
    fn a_server_name_gets_the_reason_of_the_kernel_programs() {
        let known = Known(vec![LOGIN, PATTERN]);
        let too_long = format!("{}.azurecr.io", "a".repeat(300));
        for (name, expected) in [
            ("contoso.azurecr.io", Ok(())),
            ("CONTOSO.azurecr.io", Ok(())),
            ("contoso.westus3.data.azurecr.io", Ok(())),
            (
                "contoso.a.b.data.azurecr.io",
                Err(Reason::ServerNameUnknown),
            ),
            ("mallory.azurecr.io", Err(Reason::ServerNameUnknown)),
            ("fabrikam.azurecr.io", Err(Reason::ServerNameElsewhere)),
            ("", Err(Reason::NoServerName)),
            ("198.51.100.10", Err(Reason::ServerNameAddress)),
            ("2001:db8::10", Err(Reason::ServerNameAddress)),
            ("contoso azurecr.io", Err(Reason::HelloUnreadable)),
            (&too_long, Err(Reason::HelloUnreadable)),
        ] {
            assert_eq!(check(HERE, name, &known), expected, "{name}");
        }
    }

    #[test]
    fn any_name_passes_if_names_are_not_checked() {
        let any = Known(vec![enforcer_common::layout::AddressGrant::ANY_NAME]);
        for name in ["mallory.azurecr.io", "", "198.51.100.10"] {
            assert_eq!(check(HERE, name, &any), Ok(()), "{name}");
        }
    }
}
