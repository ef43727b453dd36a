//! Sends events to a local syslog socket, as RFC 5424 messages.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::config::SyslogFormat;
use crate::core::{EventRecord, NOTE};

/// The name of the program, and the vendor and product of CEF.
const NAME: &str = "egress-enforcer";
/// Facility "security/authorization messages, private" (RFC 5424, table 1).
const AUTHPRIV: u8 = 10;
/// Severities (RFC 5424, table 2).
const WARNING: u8 = 4;
const NOTICE: u8 = 5;
/// Length of an event as JSON from which on it is shortened: receivers cut or refuse long messages.
const MOST_JSON: usize = 32 * 1024;

/// A local syslog socket.
pub(crate) struct Syslog {
    path: PathBuf,
    format: SyslogFormat,
    host: String,
    socket: Option<UnixDatagram>,
}

impl Syslog {
    /// The socket at `path`; it is connected at the first event.
    pub(crate) fn new(path: &Path, format: SyslogFormat) -> Self {
        Self {
            path: path.to_owned(),
            format,
            host: super::host_name(),
            socket: None,
        }
    }

    /// Sends an event; connects again if the receiver was restarted. Never waits.
    ///
    /// # Errors
    /// If nothing receives at the socket, or it is full.
    pub(crate) fn send(&mut self, event: &EventRecord) -> io::Result<()> {
        let message = message(event, self.format, &self.host);
        if let Some(socket) = &self.socket
            && socket.send(message.as_bytes()).is_ok()
        {
            return Ok(());
        }
        self.socket = None;
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect(&self.path)?;
        socket.send(message.as_bytes())?;
        self.socket = Some(socket);
        Ok(())
    }
}

/// Returns the message of an event: an RFC 5424 header, and CEF or a sentence with the event as JSON behind `@cee:`.
fn message(event: &EventRecord, format: SyslogFormat, host: &str) -> String {
    let severity = if event.verdict == NOTE {
        NOTICE
    } else {
        WARNING
    };
    let json = serde_json::to_string(event);
    if json.as_ref().is_ok_and(|json| json.len() > MOST_JSON) {
        return message(&event.shortened(), format, host);
    }
    let content = match format {
        SyslogFormat::Rfc5424 => format!(
            "@cee: {}",
            // An event with a path that is not UTF-8 has no JSON.
            json.unwrap_or_else(|_error| event.sentence())
        ),
        SyslogFormat::Cef => cef(event),
    };
    // Whole microseconds: a header has at most six decimal places (RFC 5424, section 6.2.3).
    let time = event.time.round(jiff::Unit::Microsecond);
    format!(
        "<{}>1 {} {host} {NAME} {} {} - {content}",
        AUTHPRIV * 8 + severity,
        time.unwrap_or(event.time),
        std::process::id(),
        event.kind().word(),
    )
}

/// Returns the event in the Common Event Format, version 0, with the keys of its dictionary.
fn cef(event: &EventRecord) -> String {
    let (severity, action) = match event.verdict.as_str() {
        NOTE => (3, None),
        "audit" => (5, Some("audited")),
        _ => (7, Some("denied")),
    };
    let mut text = format!(
        "CEF:0|{NAME}|{NAME}|{}|{}|{}|{severity}|",
        crate::VERSION,
        header(&event.reason),
        header(event.kind().word()),
    );
    let mut field = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _written = write!(text, "{key}={} ", extension(&value));
        }
    };
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    field("rt", Some(event.time.as_millisecond().to_string()));
    field("act", action.map(str::to_owned));
    field("cnt", Some(event.duplicates.saturating_add(1).to_string()));
    address(
        &mut field,
        "dst",
        ("c6a3", "Destination IPv6 Address"),
        event.destination,
    );
    field("dpt", event.port.map(|it| it.to_string()));
    address(
        &mut field,
        "src",
        ("c6a2", "Source IPv6 Address"),
        event.source,
    );
    let protocol = event.protocol.to_ascii_uppercase();
    field("proto", Some(protocol).filter(|it| !it.is_empty()));
    field("dhost", event.wanted_name().map(str::to_owned));
    field("spid", event.pid.map(|it| it.to_string()));
    field("suid", event.uid.map(|it| it.to_string()));
    field("sproc", event.command.clone());
    field("filePath", path(&event.executable));
    field("deviceOutboundInterface", event.device.clone());
    labelled(&mut field, 1, "unit", event.unit.clone());
    labelled(&mut field, 2, "container", event.container.clone());
    labelled(&mut field, 3, "cgroup", path(&event.cgroup));
    labelled(
        &mut field,
        4,
        "hook",
        Some(event.hook.clone()).filter(|it| !it.is_empty()),
    );
    labelled(&mut field, 5, "before", event.old.clone());
    labelled(&mut field, 6, "after", event.new.clone());
    field("externalId", Some(event.sequence.to_string()));
    field("msg", Some(event.sentence()));
    text.truncate(text.trim_end().len());
    text
}

/// Writes an address: CEF has other keys for IPv6.
fn address(
    field: &mut impl FnMut(&str, Option<String>),
    v4: &str,
    (v6, label): (&str, &str),
    address: Option<IpAddr>,
) {
    match address {
        Some(IpAddr::V4(address)) => field(v4, Some(address.to_string())),
        Some(IpAddr::V6(address)) => {
            field(v6, Some(address.to_string()));
            field(&format!("{v6}Label"), Some(label.to_owned()));
        }
        None => {}
    }
}

/// Writes a custom string of CEF with its label.
fn labelled(
    field: &mut impl FnMut(&str, Option<String>),
    number: u8,
    label: &str,
    value: Option<String>,
) {
    if value.is_some() {
        field(&format!("cs{number}Label"), Some(label.to_owned()));
        field(&format!("cs{number}"), value);
    }
}

/// Escapes a field of CEF's header.
fn header(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('|', "\\|")
}

/// Escapes a value of CEF's extension.
fn extension(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('=', "\\=")
}

/// Replaces control characters, which end a message for some receivers.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
