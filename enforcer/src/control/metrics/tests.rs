use super::*;
use crate::core::test_data::status;

const GOLDEN: &str = r#"# HELP egress_enforcer The daemon: its version, its mode and the cgroup that it governs.
# TYPE egress_enforcer info
egress_enforcer_info{version="0.1.0",mode="audit",scope="/sys/fs/cgroup/plant.slice"} 1
# HELP egress_enforcer_enforcing Whether denied packets and calls are dropped (1) or not (0): in audit mode, or as a hook is not attached.
# TYPE egress_enforcer_enforcing gauge
egress_enforcer_enforcing 0
# HELP egress_enforcer_start_time_seconds When the daemon started, in seconds since 1970.
# TYPE egress_enforcer_start_time_seconds gauge
egress_enforcer_start_time_seconds 1787400000
# HELP egress_enforcer_generation Policies applied since the maps were made.
# TYPE egress_enforcer_generation gauge
egress_enforcer_generation 7
# HELP egress_enforcer_applied_timestamp_seconds When the last policy was applied, in seconds since 1970.
# TYPE egress_enforcer_applied_timestamp_seconds gauge
egress_enforcer_applied_timestamp_seconds 1787400001
# HELP egress_enforcer_decisions Packets and calls judged; what is denied in audit mode has the verdict audit, and passes.
# TYPE egress_enforcer_decisions counter
egress_enforcer_decisions_total{hook="egress",reason="allowed-name",verdict="allow"} 12
egress_enforcer_decisions_total{hook="egress",reason="storage",verdict="audit"} 7
egress_enforcer_decisions_total{hook="connect4",reason="storage",verdict="deny"} 3
# HELP egress_enforcer_denied_attempts Attempts denied: of the packets of one TCP connection only the first counts, and connecting a datagram socket is none.
# TYPE egress_enforcer_denied_attempts counter
egress_enforcer_denied_attempts_total{hook="egress",reason="storage",verdict="audit"} 2
egress_enforcer_denied_attempts_total{hook="connect4",reason="storage",verdict="deny"} 3
# HELP egress_enforcer_unit_denials Denials by systemd unit since the daemon started; in audit mode the verdict is audit.
# TYPE egress_enforcer_unit_denials counter
egress_enforcer_unit_denials_total{unit="build.service",reason="storage",verdict="deny"} 5
# HELP egress_enforcer_dns_observations DNS answers to allowed names that the kernel read, by outcome.
# TYPE egress_enforcer_dns_observations counter
egress_enforcer_dns_observations_total{outcome="allowed"} 5
# HELP egress_enforcer_events_lost Denials that were enforced and counted, but found no room to be reported.
# TYPE egress_enforcer_events_lost counter
egress_enforcer_events_lost_total 1
# HELP egress_enforcer_events_suppressed Denials without an event of their own: those of a cgroup that makes too many are summed up.
# TYPE egress_enforcer_events_suppressed counter
egress_enforcer_events_suppressed_total 4
# HELP egress_enforcer_tags_change_number The change number of the service tags in force.
# TYPE egress_enforcer_tags_change_number gauge
egress_enforcer_tags_change_number 401
# HELP egress_enforcer_tags_timestamp_seconds The date of the service tags in force, in seconds since 1970.
# TYPE egress_enforcer_tags_timestamp_seconds gauge
egress_enforcer_tags_timestamp_seconds 1786320000
# HELP egress_enforcer_source_failing Whether a source of names or prefixes fails (1) or not (0); what it last said stays in force.
# TYPE egress_enforcer_source_failing gauge
egress_enforcer_source_failing{kind="endpoints-file",source="/etc/egress-enforcer/contoso.json",registry="contoso.azurecr.io"} 1
# HELP egress_enforcer_source_confirmed_timestamp_seconds When a source was last read and found good, in seconds since 1970.
# TYPE egress_enforcer_source_confirmed_timestamp_seconds gauge
egress_enforcer_source_confirmed_timestamp_seconds{kind="endpoints-file",source="/etc/egress-enforcer/contoso.json",registry="contoso.azurecr.io"} 1787400003
# HELP egress_enforcer_name_addresses Addresses that are open for an allowed name.
# TYPE egress_enforcer_name_addresses gauge
egress_enforcer_name_addresses{name="contoso.azurecr.io"} 1
egress_enforcer_name_addresses{name="logs.blob.core.windows.net"} 0
# HELP egress_enforcer_name_snooped_addresses Addresses of an allowed name or pattern that the kernel snooped and no answer to the daemon held.
# TYPE egress_enforcer_name_snooped_addresses gauge
egress_enforcer_name_snooped_addresses{name="contoso.azurecr.io"} 0
egress_enforcer_name_snooped_addresses{name="logs.blob.core.windows.net"} 0
# HELP egress_enforcer_name_failing Whether lookups of an allowed name fail (1) or not (0).
# TYPE egress_enforcer_name_failing gauge
egress_enforcer_name_failing{name="contoso.azurecr.io"} 0
egress_enforcer_name_failing{name="logs.blob.core.windows.net"} 1
# HELP egress_enforcer_addresses_refused Addresses of an allowed name that were refused.
# TYPE egress_enforcer_addresses_refused gauge
egress_enforcer_addresses_refused{name="contoso.azurecr.io"} 1
egress_enforcer_addresses_refused{name="logs.blob.core.windows.net"} 0
# HELP egress_enforcer_name_resolved_timestamp_seconds When an allowed name last resolved, in seconds since 1970.
# TYPE egress_enforcer_name_resolved_timestamp_seconds gauge
egress_enforcer_name_resolved_timestamp_seconds{name="contoso.azurecr.io"} 1787400001
# HELP egress_enforcer_alarms What needs attention, by kind.
# TYPE egress_enforcer_alarms gauge
egress_enforcer_alarms{kind="name-failing"} 1
# HELP egress_enforcer_exceptions_active Exceptions that have not ended.
# TYPE egress_enforcer_exceptions_active gauge
egress_enforcer_exceptions_active 1
# HELP egress_enforcer_exception_ends_timestamp_seconds When an exception ends, in seconds since 1970.
# TYPE egress_enforcer_exception_ends_timestamp_seconds gauge
egress_enforcer_exception_ends_timestamp_seconds{target="agent.service",reason="uploads \"logs\""} 1801353600
# EOF
"#;

#[test]
fn a_status_has_the_golden_text() {
    assert_eq!(metrics(&status()), GOLDEN);
}

#[test]
fn snooped_addresses_are_counted_for_each_name_and_pattern() {
    let mut status = status();
    status.registries[0].names[0].addresses[0].snooped = true;
    status.registries[0].patterns = vec![PatternStatus {
        pattern: "contoso.*.data.azurecr.io".to_owned(),
        addresses: vec!["20.42.66.0".parse().unwrap(), "20.42.66.1".parse().unwrap()],
    }];
    let text = metrics(&status);
    for (name, count) in [("contoso.azurecr.io", 1), ("contoso.*.data.azurecr.io", 2)] {
        let line = format!("egress_enforcer_name_snooped_addresses{{name=\"{name}\"}} {count}\n");
        assert!(text.contains(&line), "no {line} in {text}");
    }
}

#[test]
fn no_two_samples_have_the_same_labels() {
    let mut status = status();
    status.registries[0].patterns = vec![PatternStatus {
        pattern: "contoso.*.data.azurecr.io".to_owned(),
        addresses: Vec::new(),
    }];
    status.registries.extend(status.registries.clone());
    status.exceptions.extend(status.exceptions.clone());
    status.alarms.extend(status.alarms.clone());
    let text = metrics(&status);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let series: Vec<_> = samples.filter_map(|line| line.rsplit_once(' ')).collect();
    let distinct: BTreeSet<_> = series.iter().map(|(labels, _)| labels).collect();
    assert_eq!(distinct.len(), series.len(), "{text}");
}

#[test]
fn an_unknown_age_of_the_tags_has_no_sample() {
    let mut status = status();
    status.tags.age_days = None;
    assert!(!metrics(&status).contains("age_days"));
}
