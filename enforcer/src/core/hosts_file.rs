//! Addresses that `/etc/hosts` gives allowed names, as answers of a separate source.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::alarm_kind::AlarmKind;
use super::state::State;
use crate::name::Name;
use crate::resolver::answer::AnswerVerdict;
use crate::resolver::cache::HostsPin;
use crate::resolver::hosts::HOSTS;
use crate::sources::Sources;

/// Maximum number of addresses taken from `/etc/hosts`, over all allowed names.
const MOST: usize = 256;

/// Entries for allowed names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    pins: BTreeMap<Name, BTreeMap<IpAddr, HostsPin>>,
    /// Reasons for unused entries, by line.
    refused: BTreeMap<String, String>,
}

impl State {
    /// Pins the addresses that `/etc/hosts` gives allowed names. If it cannot be read, earlier ones stay.
    pub(crate) fn follow_hosts_file(&mut self) {
        let hosts = &self.sources.given.hosts;
        if hosts.entries.is_empty()
            && let Some(problem) = &hosts.problem
        {
            let problem = (HOSTS.to_owned(), problem.clone());
            return self.alarms.replace(AlarmKind::HostsFile, &[problem].into());
        }
        let found = Found::of(&self.sources);
        for (name, address) in self.cache.pin(&found.pins, self.now.since_start) {
            tracing::info!(%name, %address, "{HOSTS} gives the name this address");
        }
        self.alarms.replace(AlarmKind::HostsFile, &found.refused);
    }
}

impl Found {
    fn of(sources: &Sources) -> Self {
        let hosts = &sources.given.hosts;
        let mut found = Self::default();
        let problem = hosts.problem.iter().cloned();
        found
            .refused
            .extend(problem.map(|problem| (HOSTS.to_owned(), problem)));
        let mut taken = 0;
        for pin in &hosts.entries {
            let (name, address, line) = (&pin.name, pin.address, pin.line);
            if !sources.all_names().any(|allowed| allowed == name) {
                continue;
            }
            let untagged = match sources.check_answer(name, address) {
                AnswerVerdict::Accept => false,
                AnswerVerdict::AcceptUntagged => true,
                AnswerVerdict::Refuse(why) => {
                    let message = format!(
                        "{HOSTS} line {line}: the address {address} of {name} is refused: {why}; remove the line or correct it"
                    );
                    found.refused.insert(format!("line {line} {name}"), message);
                    continue;
                }
            };
            taken += 1;
            if taken > MOST {
                let message = format!(
                    "{HOSTS} gives allowed names more than {MOST} addresses: line {line} and what follows are not used"
                );
                found.refused.insert("bound".to_owned(), message);
                break;
            }
            let pins = found.pins.entry(name.clone()).or_default();
            pins.entry(address).or_insert(HostsPin { line, untagged });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolver::hosts::{HostsEntry, HostsFile};

    const CONFIG: &str = "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\n[[exception]]\nreason = \"logs\"\n\
        unit = \"agent.service\"\nnames = [\"logs.blob.core.windows.net\"]\nuntil = 2999-01-01T00:00:00Z\n";

    /// Returns the entries found in a file with these lines.
    fn found(lines: &[(&str, &str)]) -> Found {
        let mut sources = Sources::of_text(CONFIG);
        let pins = (1..).zip(lines).map(|(line, (address, name))| HostsEntry {
            name: name.parse().unwrap(),
            address: address.parse().unwrap(),
            line,
        });
        sources.given.hosts = HostsFile {
            entries: pins.collect(),
            problem: None,
        };
        Found::of(&sources)
    }

    fn pinned(found: &Found) -> Vec<String> {
        let pins = found.pins.iter().flat_map(|(name, pins)| {
            pins.iter().map(move |(address, pin)| {
                let untagged = if pin.untagged { " untagged" } else { "" };
                format!("{}: {name} {address}{untagged}", pin.line)
            })
        });
        pins.collect()
    }

    /// Uses published addresses: front ends in East US, a storage stamp.
    #[test]
    fn only_allowed_names_get_addresses_of_their_service() {
        let found = found(&[
            ("20.42.66.0", "contoso.azurecr.io"),
            ("20.42.66.1", "evil.azurecr.io"),
            ("10.1.0.4", "contoso.azurecr.io"),
            ("52.239.169.228", "logs.blob.core.windows.net"),
            ("20.42.66.0", "contoso.azurecr.io"),
        ]);
        assert_eq!(
            pinned(&found),
            [
                "3: contoso.azurecr.io 10.1.0.4 untagged",
                "1: contoso.azurecr.io 20.42.66.0",
                "4: logs.blob.core.windows.net 52.239.169.228"
            ]
        );
        assert!(found.refused.is_empty());
    }

    #[test]
    fn an_address_of_another_service_is_refused_with_file_and_line() {
        for (address, name) in [
            ("52.239.169.228", "contoso.azurecr.io"),
            ("64:ff9b::34ef:a9e4", "contoso.azurecr.io"),
            ("20.42.66.0", "logs.blob.core.windows.net"),
        ] {
            let found = found(&[("192.0.2.1", "www.example.org"), (address, name)]);
            assert!(found.pins.is_empty(), "{address} {name}");
            let message = found.refused.values().next().unwrap();
            let start = format!(
                "/etc/hosts line 2: the address {address} of {name} is refused: it lies in "
            );
            assert!(message.starts_with(&start), "{message}");
        }
    }

    #[test]
    fn addresses_beyond_the_limit_are_refused_and_reported() {
        let addresses: Vec<String> = (0..300)
            .map(|number| format!("10.1.{}.{}", number / 250, number % 250))
            .collect();
        let lines: Vec<_> = addresses
            .iter()
            .map(|address| (address.as_str(), "contoso.azurecr.io"))
            .collect();
        let found = found(&lines);
        assert_eq!(pinned(&found).len(), MOST);
        assert!(found.refused["bound"].contains("line 257"));
    }
}
