//! Logs events: one sentence each, with every field for the journal.

use std::path::PathBuf;

use crate::core::EventRecord;

/// Logs an event. The fields are those of the manual's section "JOURNAL"; text logs leave them out.
pub(super) fn log(record: &EventRecord) {
    let kind = record.kind();
    let names: Vec<&str> = record.names.iter().map(|name| name.as_str()).collect();
    let names = (!names.is_empty()).then(|| names.join(" "));
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let (executable, cgroup) = (path(&record.executable), path(&record.cgroup));
    let is_denial = record.destination.is_some();
    tracing::info!(
        message_id = kind.message_id(),
        egress_kind = kind.word(),
        egress_verdict = record.verdict,
        egress_reason = record.reason,
        egress_old = record.old,
        egress_new = record.new,
        egress_destination = record.destination.map(tracing::field::display),
        egress_port = record.port,
        egress_protocol = is_denial.then_some(record.protocol.as_str()),
        egress_names = names,
        egress_server_name = record.server_name,
        egress_queried_name = record.queried_name.as_ref().map(|name| name.as_str()),
        egress_hook = is_denial.then_some(record.hook.as_str()),
        egress_device = record.device,
        egress_source = record.source.map(tracing::field::display),
        egress_option = record.option,
        egress_pid = record.pid,
        egress_uid = record.uid,
        egress_command = record.command,
        egress_executable = executable,
        egress_cgroup = cgroup,
        egress_unit = record.unit,
        egress_container = record.container,
        egress_count = record.duplicates.saturating_add(1),
        "{}",
        record.sentence(),
    );
}
