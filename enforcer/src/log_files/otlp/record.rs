//! Events as log records of OTLP, in its JSON encoding. Names of attributes are OpenTelemetry's semantic conventions where these have one.

use serde_json::{Value, json};

use crate::core::{EventRecord, NOTE};

/// The name of the service and of the scope, and what the names of events begin with.
const NAME: &str = "egress-enforcer";
/// Severities (opentelemetry.io/docs/specs/otel/logs/data-model, "SeverityNumber").
const INFO: (u8, &str) = (9, "INFO");
const WARN: (u8, &str) = (13, "WARN");

/// Returns the body of a request with these events.
pub(super) fn request(events: &[EventRecord], host: &str) -> String {
    let mut resource = Attributes::default();
    resource.text("service.name", Some(NAME));
    resource.text("service.version", Some(crate::VERSION));
    resource.text("host.name", Some(host));
    resource.text("os.type", Some("linux"));
    let records: Vec<Value> = events.iter().map(record).collect();
    json!({
        "resourceLogs": [{
            "resource": { "attributes": resource.0 },
            "scopeLogs": [{
                "scope": { "name": NAME, "version": crate::VERSION },
                "logRecords": records,
            }],
        }],
    })
    .to_string()
}

fn record(event: &EventRecord) -> Value {
    let (number, severity) = if event.verdict == NOTE { INFO } else { WARN };
    let event = event.shortened();
    let time = event.time.as_nanosecond().to_string();
    json!({
        "timeUnixNano": time,
        "observedTimeUnixNano": time,
        "severityNumber": number,
        "severityText": severity,
        "eventName": format!("{NAME}.{}", event.kind().word()),
        "body": { "stringValue": event.sentence() },
        "attributes": attributes(&event).0,
    })
}

fn attributes(event: &EventRecord) -> Attributes {
    let mut all = Attributes::default();
    let address = |address: Option<std::net::IpAddr>| address.map(|address| address.to_string());
    all.text("destination.address", address(event.destination));
    all.number("destination.port", event.port.map(u64::from));
    all.text("source.address", address(event.source));
    let protocol = Some(event.protocol.as_str()).filter(|protocol| !protocol.is_empty());
    all.text("network.transport", protocol);
    all.text("network.interface.name", event.device.as_deref());
    all.text(
        "dns.question.name",
        event.queried_name.as_ref().map(|name| name.as_str()),
    );
    all.text("tls.client.server_name", event.server_name.as_deref());
    all.number("process.pid", event.pid.map(u64::from));
    all.text("process.executable.name", event.command.as_deref());
    let executable = event.executable.as_ref();
    all.text(
        "process.executable.path",
        executable.map(|path| path.to_string_lossy()),
    );
    all.text("user.id", event.uid.map(|uid| uid.to_string()));
    all.text("container.id", event.container.as_deref());
    let cgroup = event.cgroup.as_ref();
    all.text(
        "process.linux.cgroup",
        cgroup.map(|path| path.to_string_lossy()),
    );
    all.text("systemd.unit", event.unit.as_deref());
    all.number("egress_enforcer.sequence", Some(event.sequence));
    all.text("egress_enforcer.verdict", Some(event.verdict.as_str()));
    all.text("egress_enforcer.reason", Some(event.reason.as_str()));
    all.number(
        "egress_enforcer.count",
        Some(event.duplicates.saturating_add(1)),
    );
    let hook = Some(event.hook.as_str()).filter(|hook| !hook.is_empty());
    all.text("egress_enforcer.hook", hook);
    all.text("egress_enforcer.option", event.option.as_deref());
    all.text("egress_enforcer.old", event.old.as_deref());
    all.text("egress_enforcer.new", event.new.as_deref());
    let names = event.names.iter().map(|name| name.as_str());
    all.texts("egress_enforcer.names", names.collect());
    if event.queried_by_other {
        all.add(
            "egress_enforcer.queried_by_other",
            json!({ "boolValue": true }),
        );
    }
    all
}

/// Attributes of a resource or a record; those without a value are left out.
#[derive(Default)]
struct Attributes(Vec<Value>);

impl Attributes {
    fn add(&mut self, key: &str, value: Value) {
        self.0.push(json!({ "key": key, "value": value }));
    }

    fn text(&mut self, key: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.add(key, json!({ "stringValue": value.as_ref() }));
        }
    }

    /// JSON has 64-bit numbers as texts, as protocol buffers write them.
    fn number(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.add(key, json!({ "intValue": value.to_string() }));
        }
    }

    fn texts(&mut self, key: &str, values: Vec<&str>) {
        if !values.is_empty() {
            let values: Vec<Value> = values
                .into_iter()
                .map(|value| json!({ "stringValue": value }))
                .collect();
            self.add(key, json!({ "arrayValue": { "values": values } }));
        }
    }
}
