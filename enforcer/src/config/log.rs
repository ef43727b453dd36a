//! The section `[log]`.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::faults::Faults;
use super::value::{Absolute, DurationKey, LocalUrl, Located, Text, bounded};

/// Default size of the log.
const SIZE: u64 = 16;
/// Largest size of the log.
const MAX_SIZE: u64 = 4096;
const MIB: u64 = 1 << 20;
/// Default of `flush`.
const FLUSH: Duration = Duration::from_secs(60);
/// Bounds of `flush`: later, the kernel has written it itself.
const FLUSH_BOUNDS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

/// The section `[log]`: where events are kept, and who else receives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Largest size of the event log, in bytes; 0: none.
    pub size: u64,
    /// Longest time between an event and its being on the disk.
    pub flush: Duration,
    /// The local socket that receives each event, and how.
    pub syslog: Option<(PathBuf, SyslogFormat)>,
    /// The collector on this host that receives each event, by OTLP over HTTP.
    pub otlp: Option<LocalUrl>,
}

/// How events are written for syslog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SyslogFormat {
    /// RFC 5424, with the event as JSON behind `@cee:`.
    #[default]
    Rfc5424,
    /// Common Event Format, behind the header of RFC 5424.
    Cef,
}

/// The event log, which survives restarts. It is in the directory `events` below `paths.state`, for root only; `egress-enforcer events --since 7d`
/// prints it, and `egress-enforcer events verify` shows whether it was changed. The journal has all events, too.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawLog {
    /// The largest size of the event log, in MiB. When it is full, its oldest eighth goes. 0: events do not survive a restart.
    #[cfg_attr(test, schemars(example = &64, extend("default" = 16)))]
    size_mib: Option<Located<u64>>,
    /// The longest time between an event and its being on the disk: a power failure can lose as much.
    #[cfg_attr(test, schemars(example = &"10s", extend("default" = "60s")))]
    flush: DurationKey,
    /// A local syslog socket that receives each event of the log.
    ///
    /// Default: none. Name a socket of your syslog daemon; behind /dev/log is often the journal, which has all events already.
    #[cfg_attr(test, schemars(example = &"/run/systemd/journal/syslog"))]
    syslog: Option<Text<Absolute>>,
    /// How events are written for it: behind the header of RFC 5424 as JSON (`@cee:`), or in the Common Event Format.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"cef"))]
    syslog_format: SyslogFormat,
    /// An OpenTelemetry collector on this host that receives each event of the log as a log record, by OTLP over HTTP with JSON. Without a
    /// path, it is /v1/logs. Whoever listens there gets the events: have the collector run before others can take its port.
    ///
    /// Default: none.
    #[cfg_attr(test, schemars(example = &"http://127.0.0.1:4318"))]
    otlp: Option<Text<LocalUrl>>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            size: SIZE * MIB,
            flush: FLUSH,
            syslog: None,
            otlp: None,
        }
    }
}

impl RawLog {
    /// Validates the section.
    pub(super) fn validate(self, faults: &mut Faults) -> Log {
        let mut mebibytes = SIZE;
        if let Some(written) = self.size_mib {
            let problem = (*written.get_ref() > MAX_SIZE)
                .then(|| format!("is too large; write at most {MAX_SIZE}, or 0 for no log"));
            faults.check(&written.span(), problem);
            mebibytes = written.into_inner().min(MAX_SIZE);
        }
        let format = self.syslog_format;
        Log {
            size: mebibytes * MIB,
            flush: bounded(self.flush, FLUSH, FLUSH_BOUNDS, faults),
            syslog: self.syslog.map(|Text(Absolute(path))| (path, format)),
            otlp: self.otlp.map(|Text(url)| url),
        }
    }
}
