//! The kinds of alarms and their meaning.

use crate::sources::Concern;
use crate::word_enum::word_enum;

word_enum! {
    /// The kind of an alarm: a stable word for metrics and scripts. Sorted by word.
    pub enum AlarmKind {
        /// An accepted address is in no service tag.
        AddressUntagged => "address-untagged",
        /// Changes of the host's own addresses are not reported.
        AddressesUnwatched => "addresses-unwatched",
        /// The answer check refuses an address.
        AnswerRefused => "answer-refused",
        /// Changes of cgroups are not reported.
        CgroupsUnwatched => "cgroups-unwatched",
        /// A policy change could not be applied.
        ChangeRefused => "change-refused",
        /// The wall clock was stepped.
        ClockSet => "clock-set",
        /// Steps of the wall clock are not reported.
        ClockUnwatched => "clock-unwatched",
        /// The configuration file is not in force.
        ConfigRefused => "config-refused",
        /// The copy of the configuration could not be written.
        ConfigUnsaved => "config-unsaved",
        /// The control socket could not be opened.
        ControlSocket => "control-socket",
        /// A filter of an earlier start could not be removed from a network device.
        DeviceFilterLeft => "device-filter-left",
        /// A filter of a network device was removed, and is restored.
        DeviceFilterLost => "device-filter-lost",
        /// A filter of another program runs before this instance's at a network device.
        DeviceFilterShadowed => "device-filter-shadowed",
        /// A connection without a socket found no room.
        DeviceFlowsFull => "device-flows-full",
        /// A network device has no filters.
        DeviceUnfiltered => "device-unfiltered",
        /// Changes of network devices are not reported.
        DevicesUnwatched => "devices-unwatched",
        /// Sockets connected to a resolver could not be listed.
        DnsSocketsUnlisted => "dns-sockets-unlisted",
        /// The programs see no answer to the daemon's own questions.
        DnsUnobserved => "dns-unobserved",
        /// Denials and DNS observations cannot be read.
        EventsUnread => "events-unread",
        /// The event log on the disk cannot be written.
        EventsUnsaved => "events-unsaved",
        /// The cgroups of an exception could not be looked up.
        ExceptionTarget => "exception-target",
        /// Changes of files are not reported.
        FilesUnwatched => "files-unwatched",
        /// A program is not attached.
        HookMissing => "hook-missing",
        /// A program that was detached or lost its pin was restored.
        HookRestored => "hook-restored",
        /// A program could not be reattached or repinned.
        HookUnrestored => "hook-unrestored",
        /// The hooks are not checked.
        HooksUnchecked => "hooks-unchecked",
        /// A line of `/etc/hosts` is not used.
        HostsFile => "hosts-file",
        /// An IPsec policy hides packets to protected addresses.
        IpsecPolicy => "ipsec-policy",
        /// Changes of IPsec policies are not reported.
        IpsecUnwatched => "ipsec-unwatched",
        /// The port of the metrics could not be opened.
        MetricsUnserved => "metrics-unserved",
        /// A name does not resolve.
        NameFailing => "name-failing",
        /// The OpenTelemetry collector does not take events.
        OtlpFailing => "otlp-failing",
        /// Pins of another version could not be removed.
        OtherVersion => "other-version",
        /// Other processes share the enforcer's cgroup, so it cannot allow itself the hosts of its sources.
        OwnTraffic => "own-traffic",
        /// Removals of pins are not reported.
        PinsUnwatched => "pins-unwatched",
        /// DNS shows a replica outside its region's prefixes.
        ReplicaElsewhere => "replica-elsewhere",
        /// The system's resolvers are unknown or cannot be queried.
        ResolversUnknown => "resolvers-unknown",
        /// The governed cgroup was removed.
        ScopeGone => "scope-gone",
        /// The kernel's limit on socket memory is too small.
        SocketMemory => "socket-memory",
        /// A source of names or service tags fails.
        SourceFailing => "source-failing",
        /// Source data saved by an earlier run could not be read.
        SourcesUnreadable => "sources-unreadable",
        /// Source data could not be saved.
        SourcesUnsaved => "sources-unsaved",
        /// Addresses saved by an earlier run could not be read.
        StateUnreadable => "state-unreadable",
        /// The addresses could not be saved.
        StateUnsaved => "state-unsaved",
        /// The syslog socket does not take events.
        SyslogFailing => "syslog-failing",
        /// The Service Tag Discovery API contradicts the service tags in force.
        TagsContradict => "tags-contradict",
        /// Service tags accepted only with `--force` are in force.
        TagsForced => "tags-forced",
        /// The service tags are old.
        TagsOld => "tags-old",
        /// The bundle replaces older or smaller service tags.
        TagsReplaced => "tags-replaced",
    }
}

impl AlarmKind {
    /// Returns the kind of alarm for a concern about service tags from a file.
    pub const fn of_concern(concern: &Concern) -> Self {
        match concern {
            Concern::Replaced(_) => Self::TagsReplaced,
            Concern::Forced(_) => Self::TagsForced,
        }
    }

    /// Describes the problem behind such an alarm, for the manual.
    pub const fn about(self) -> &'static str {
        match self {
            Self::AddressUntagged => {
                "An address of an allowed name is in no service tag: the tags may be stale."
            }
            Self::AddressesUnwatched => "New addresses of this host are not noticed.",
            Self::AnswerRefused => "The answer check refuses an address of an allowed name.",
            Self::ChangeRefused => {
                "A change of policy could not be applied; the policy in force stays."
            }
            Self::CgroupsUnwatched => "Units that start are noticed within a second, by a scan.",
            Self::ClockSet => "The wall clock was set.",
            Self::ClockUnwatched => "A clock that is set is noticed within a minute.",
            Self::ConfigRefused => {
                "The configuration is invalid; the last accepted one is in force."
            }
            Self::ConfigUnsaved => {
                "The accepted configuration could not be kept for the next start."
            }
            Self::ControlSocket => {
                "The control socket could not be opened: status, events and metrics are not served."
            }
            Self::DeviceFilterLeft => {
                "A filter of an earlier start could not be removed from a network device: it judges by an earlier policy."
            }
            Self::DeviceFilterLost => {
                "A filter of a network device was removed or replaced, and is restored; ends with a reload."
            }
            Self::DeviceFilterShadowed => {
                "On a network device, a program of others runs before the filter and can let packets pass."
            }
            Self::DeviceFlowsFull => {
                "Connections that no socket of this host sends were denied, as the tables for them are full; ends with a reload."
            }
            Self::DeviceUnfiltered => {
                "A network device has no filter: packets without a socket of this host pass."
            }
            Self::DevicesUnwatched => "New network devices are filtered within minutes, by a scan.",
            Self::DnsSocketsUnlisted => {
                "Answers to sockets that were connected to a resolver before are not read in the kernel."
            }
            Self::DnsUnobserved => {
                "The kernel programs see no answer to the daemon's own DNS questions."
            }
            Self::EventsUnread => "Denials are counted by the kernel and not reported.",
            Self::EventsUnsaved => {
                "The event log on the disk cannot be written: events are in the journal only."
            }
            Self::ExceptionTarget => "The cgroups of an exception could not be looked up.",
            Self::FilesUnwatched => "Endpoints and service tags are read again on reload only.",
            Self::HookMissing => "A kernel program is not attached: what it judges passes.",
            Self::HookRestored => {
                "A kernel program, a pin or the settings in the maps were removed or changed, and are restored; ends with a reload."
            }
            Self::HookUnrestored => {
                "A kernel program or a pin was removed and could not be restored."
            }
            Self::HooksUnchecked => "Hooks that are detached are noticed on a restart only.",
            Self::HostsFile => {
                "/etc/hosts could not be read, or gives an allowed name an address that is refused."
            }
            Self::IpsecPolicy => {
                "An IPsec policy encrypts packets to protected addresses before they are judged."
            }
            Self::IpsecUnwatched => "New IPsec policies are not noticed.",
            Self::MetricsUnserved => {
                "The port of the metrics could not be opened: it is tried again, and the control socket serves them."
            }
            Self::NameFailing => {
                "An allowed name does not resolve; its earlier addresses stay allowed."
            }
            Self::OtherVersion => "An earlier version's policy is in force beside this one.",
            Self::OwnTraffic => {
                "Sources cannot be fetched: other processes share the enforcer's cgroup."
            }
            Self::PinsUnwatched => "Pins that are removed are noticed within seconds, by a check.",
            Self::ReplicaElsewhere => "DNS shows a replica outside its region's registry prefixes.",
            Self::ResolversUnknown => "The system's resolvers are not known or cannot be asked.",
            Self::ScopeGone => "The governed cgroup was removed: nothing is enforced.",
            Self::SocketMemory => {
                "The kernel's limit of socket memory (net.core.optmem_max) is too small."
            }
            Self::SourceFailing => {
                "A source of names or service tags fails; what it said before stays in force."
            }
            Self::SourcesUnreadable => "What an earlier run kept of the sources is not used.",
            Self::SourcesUnsaved => "What the sources said could not be kept for the next start.",
            Self::StateUnreadable => "The addresses of earlier runs are not used.",
            Self::StateUnsaved => "The addresses could not be kept for the next start.",
            Self::OtlpFailing => {
                "The OpenTelemetry collector of the configuration does not take events."
            }
            Self::SyslogFailing => "The syslog socket of the configuration does not take events.",
            Self::TagsContradict => {
                "The Service Tag Discovery API has prefixes that the service tags in force contradict."
            }
            Self::TagsForced => "Service tags are in force that tags import --force took.",
            Self::TagsOld => "The service tags are older than protect.max-age.",
            Self::TagsReplaced => {
                "The service tags of a file or URL are older or smaller than the bundle, which is in force in their place."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_unique_word_that_parses_back() {
        let words: Vec<&str> = AlarmKind::ALL.iter().map(|kind| kind.word()).collect();
        for kind in AlarmKind::ALL {
            assert_eq!(AlarmKind::from_word(kind.word()), Some(*kind));
        }
        let distinct: std::collections::BTreeSet<_> = words.iter().collect();
        assert_eq!(distinct.len(), words.len());
        assert_eq!(AlarmKind::from_word("of a later version"), None);
    }
}
