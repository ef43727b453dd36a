//! Formats an event as one sentence.

use std::net::SocketAddr;

use enforcer_common::Reason;

use super::event_kind::EventKind;
use super::event_record::EventRecord;

/// Length of a short container id, as container tools print it.
const SHORT_ID: usize = 12;

impl EventRecord {
    /// Returns a sentence for humans: for a denial with the process, its unit or container, the destination, the name and the reason.
    pub fn sentence(&self) -> String {
        if let Some(message) = &self.message {
            return message.clone();
        }
        if self.kind() == EventKind::Suppressed {
            let place = self.place().map(|place| format!(" of {place}"));
            return format!(
                "{} denials{} were too many for an event each",
                self.duplicates.saturating_add(1),
                place.unwrap_or_default()
            );
        }
        let verdict = match self.verdict.as_str() {
            "audit" => "audit: would deny",
            _ => "denied",
        };
        let place = self.place().map(|place| format!(" of {place}"));
        let names = match self.names.as_slice() {
            [] => {
                let asked = self.queried_name.as_ref();
                let doubt = if self.queried_by_other {
                    "perhaps "
                } else {
                    ""
                };
                asked.map_or_else(String::new, |name| format!(" ({doubt}{name})"))
            }
            [name] => format!(" ({name})"),
            [name, others @ ..] => format!(" ({name} and {} others)", others.len()),
        };
        let server_name = self.server_name.as_ref();
        let server_name = server_name.map(|name| format!(", server name {name}"));
        let device = self.device.as_ref();
        let device = device.map(|name| format!(" at the network device {name}"));
        let times = match self.duplicates {
            0 => String::new(),
            duplicates => format!(" ({} times)", duplicates.saturating_add(1)),
        };
        format!(
            "{verdict} {}{}, {}{names}{}{}: {}{times}",
            self.process().unwrap_or_else(|| self.unknown_process()),
            place.unwrap_or_default(),
            self.attempt(),
            server_name.unwrap_or_default(),
            device.unwrap_or_default(),
            self.why(),
        )
    }

    /// Returns what stands for a process that is not known: frames can leave without one.
    fn unknown_process(&self) -> String {
        match (&self.device, self.source) {
            (Some(_), Some(source)) => format!("a frame from {source}"),
            (Some(_), None) => "a frame".to_owned(),
            (None, _) => "a process".to_owned(),
        }
    }

    /// Returns the container, the unit or else the cgroup.
    pub fn place(&self) -> Option<String> {
        if let Some(container) = &self.container {
            let short: String = container.chars().take(SHORT_ID).collect();
            return Some(format!("container {short}"));
        }
        let cgroup = || Some(format!("cgroup {}", self.cgroup.as_ref()?.display()));
        self.unit.clone().or_else(cgroup)
    }

    /// Returns the command with the process id, as far as known.
    pub fn process(&self) -> Option<String> {
        match (&self.command, self.pid) {
            (Some(command), Some(pid)) => Some(format!("{command}({pid})")),
            (Some(command), None) => Some(command.clone()),
            (None, Some(pid)) => Some(format!("process {pid}")),
            (None, None) => None,
        }
    }

    /// Returns the socket option, or else the destination.
    pub fn target_text(&self) -> Option<String> {
        self.option.clone().or_else(|| self.destination_text())
    }

    /// Returns the address, with the port if there is one.
    pub fn destination_text(&self) -> Option<String> {
        let address = self.destination?;
        Some(match self.port {
            Some(port) => SocketAddr::new(address, port).to_string(),
            None => address.to_string(),
        })
    }

    /// Returns what was tried.
    fn attempt(&self) -> String {
        match &self.option {
            Some(option) => format!("setsockopt {option}"),
            None => match (self.destination_text(), self.protocol.as_str()) {
                (Some(destination), _) => format!("{} to {destination}", self.protocol_text()),
                (None, "") => "several destinations".to_owned(),
                (None, _) => format!("{} to several destinations", self.protocol_text()),
            },
        }
    }

    fn protocol_text(&self) -> String {
        match self.protocol.parse::<u8>() {
            Ok(number) => format!("IP protocol {number}"),
            Err(_) => self.protocol.clone(),
        }
    }

    fn why(&self) -> &str {
        let known = Reason::ALL.into_iter();
        let mut known = known.filter(|reason| reason.word() == self.reason);
        known
            .next()
            .map_or(&self.reason, |reason| reason.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_data::event;
    use super::*;
    use crate::core::EventKind;

    #[test]
    fn a_denial_is_one_sentence_with_process_destination_and_reason() {
        assert_eq!(
            event().sentence(),
            "denied azcopy(42) of plc.service, tcp to 20.60.0.4:443: \
             an Azure storage address that no allowed name resolves to"
        );
    }

    #[test]
    fn a_socket_option_is_named_in_place_of_a_destination() {
        let record = EventRecord {
            option: Some("PACKET_QDISC_BYPASS".to_owned()),
            destination: None,
            port: None,
            reason: "bypass-option".to_owned(),
            ..event()
        };
        assert_eq!(
            record.sentence(),
            "denied azcopy(42) of plc.service, setsockopt PACKET_QDISC_BYPASS: \
             with this socket option, packets pass the filters of network devices unseen, or change after them"
        );
    }

    #[test]
    fn a_frame_without_a_process_is_named_with_its_device() {
        let record = EventRecord {
            device: Some("eth0".to_owned()),
            command: None,
            pid: None,
            cgroup: None,
            unit: None,
            container: None,
            ..event()
        };
        assert_eq!(
            record.sentence(),
            "denied a frame, tcp to 20.60.0.4:443 at the network device eth0: \
             an Azure storage address that no allowed name resolves to"
        );
        let record = EventRecord {
            source: Some("10.99.0.2".parse().unwrap()),
            ..record
        };
        let sentence = record.sentence();
        assert!(
            sentence.starts_with("denied a frame from 10.99.0.2, tcp to"),
            "{sentence}"
        );
    }

    #[test]
    fn the_sentence_contains_names_container_and_repetitions() {
        let record = EventRecord {
            verdict: "audit".to_owned(),
            reason: "server-name-unknown".to_owned(),
            names: vec!["contoso.azurecr.io".parse().unwrap()],
            server_name: Some("evil.azurecr.io".to_owned()),
            container: Some("0123456789abcdef".to_owned()),
            duplicates: 8,
            ..event()
        };
        assert_eq!(
            record.sentence(),
            "audit: would deny azcopy(42) of container 0123456789ab, tcp to 20.60.0.4:443 (contoso.azurecr.io), \
             server name evil.azurecr.io: its TLS ClientHello names a server that is not an allowed name (9 times)"
        );
    }

    #[test]
    fn unknown_fields_are_omitted() {
        let record = EventRecord {
            pid: None,
            command: None,
            unit: None,
            cgroup: None,
            protocol: "132".to_owned(),
            port: None,
            reason: "99".to_owned(),
            ..event()
        };
        assert_eq!(
            record.sentence(),
            "denied a process, IP protocol 132 to 20.60.0.4: 99"
        );
    }

    #[test]
    fn the_sentence_of_a_note_is_its_message() {
        let note = EventRecord::note(
            EventKind::Mode,
            "mode: audit, then enforce".to_owned(),
            jiff::Timestamp::UNIX_EPOCH,
        );
        assert_eq!(note.sentence(), "mode: audit, then enforce");
    }
}
