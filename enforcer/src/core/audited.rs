//! What enforcement would cut: frames that were denied at a network device, and passed because denials are only reported there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use enforcer_common::Hook;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event_record::EventRecord;

/// Maximum number of destinations in the status.
const MOST: usize = 20;

/// A destination of such frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct AuditedDestination {
    /// The address.
    pub destination: IpAddr,
    /// The port, if the protocol has one.
    pub port: Option<u16>,
    /// "tcp", "udp", "icmp", or the IP protocol number.
    pub protocol: String,
    /// Why they were denied.
    pub reason: String,
    /// The network device that they left by.
    pub device: Option<String>,
    /// Their number in the stored events.
    pub frames: u64,
    /// When the last one was reported.
    #[cfg_attr(test, schemars(with = "crate::documents::Time"))]
    pub last: Timestamp,
}

impl AuditedDestination {
    /// Returns the destinations in these events, those of most frames first.
    pub(crate) fn of<'a>(events: impl Iterator<Item = &'a EventRecord>) -> Vec<Self> {
        let mut found = BTreeMap::new();
        for event in events {
            if let Some((key, one)) = Self::of_event(event) {
                let sum = found.entry(key).or_insert_with(|| Self {
                    frames: 0,
                    ..one.clone()
                });
                sum.frames += one.frames;
                sum.last = sum.last.max(one.last);
            }
        }
        let mut found: Vec<Self> = found.into_values().collect();
        found.sort_by_key(|one| std::cmp::Reverse(one.frames));
        found.truncate(MOST);
        found
    }

    /// Returns the destination of an event, and the key by which frames are summed up.
    fn of_event(event: &EventRecord) -> Option<(impl Ord + use<>, Self)> {
        if event.hook != Hook::Device.word() || event.verdict != "audit" {
            return None;
        }
        let one = Self {
            destination: event.destination?,
            port: event.port,
            protocol: event.protocol.clone(),
            reason: event.reason.clone(),
            device: event.device.clone(),
            frames: event.duplicates.saturating_add(1),
            last: event.time,
        };
        let words = [one.protocol.clone(), one.reason.clone()];
        Some(((one.destination, one.port, words, one.device.clone()), one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::test_data::event;

    fn audited(destination: &str, duplicates: u64) -> EventRecord {
        EventRecord {
            verdict: "audit".to_owned(),
            hook: "device".to_owned(),
            device: Some("eth0".to_owned()),
            destination: destination.parse().ok(),
            duplicates,
            ..event()
        }
    }

    #[test]
    fn frames_are_summed_up_by_destination_and_the_most_come_first() {
        let denied = EventRecord {
            verdict: "deny".to_owned(),
            ..audited("20.60.0.9", 90)
        };
        let of_hook = EventRecord {
            hook: "egress".to_owned(),
            ..audited("20.60.0.8", 90)
        };
        let other_port = EventRecord {
            port: Some(80),
            ..audited("20.60.0.5", 0)
        };
        let events = [
            audited("20.60.0.4", 0),
            audited("20.60.0.5", 3),
            denied,
            of_hook,
            other_port,
            audited("20.60.0.5", 6),
        ];
        let found = AuditedDestination::of(events.iter());
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.destination.to_string(), one.port, one.frames))
            .collect();
        let expected = [
            ("20.60.0.5", 443, 11),
            ("20.60.0.4", 443, 1),
            ("20.60.0.5", 80, 1),
        ];
        assert_eq!(
            found,
            expected.map(|(to, port, frames)| (to.to_owned(), Some(port), frames))
        );
    }

    #[test]
    fn the_list_is_bounded() {
        let events: Vec<_> = (0..=99)
            .map(|last| audited(&format!("20.60.0.{last}"), last))
            .collect();
        let found = AuditedDestination::of(events.iter());
        assert_eq!((found.len(), found[0].frames), (MOST, 100));
    }
}
