//! Conditions on events.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use enforcer_common::Reason;
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::config::duration;
use crate::core::EventKind;
use crate::name::Name;

/// Conditions on events; all must hold.
#[derive(Debug, Args)]
pub(in crate::cli) struct SelectionArgs {
    /// Print only events after the one with this number, or from this time on: 5m ago, or 2026-11-30T09:00
    #[arg(long, value_name = "SEQ|TIME", default_value = "0", global = true)]
    pub(in crate::cli) since: Since,
    /// Print only events before this time
    #[arg(long, value_name = "TIME", global = true)]
    pub(in crate::cli) until: Option<Instant>,
    /// Print only events of this systemd unit, or of the container with this id or beginning of an id
    #[arg(long, global = true)]
    pub(in crate::cli) unit: Option<String>,
    /// Print only events whose destination is this address or in this prefix
    #[arg(long, value_name = "ADDRESS", value_parser = destination, global = true)]
    pub(in crate::cli) dest: Option<IpNet>,
    /// Print only events with this server name or allowed name, or one below it
    #[arg(long, global = true)]
    pub(in crate::cli) name: Option<Name>,
    /// Print only events with this reason
    #[arg(long, value_parser = reason, global = true)]
    pub(in crate::cli) reason: Option<String>,
    /// Print only events of processes with this command name or id
    #[arg(long, value_name = "COMMAND|PID", global = true)]
    pub(in crate::cli) process: Option<String>,
}

/// Where the selected events begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Since {
    /// After the event with this sequence number.
    Event(u64),
    /// At this time.
    Time(Instant),
}

/// A time on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Instant {
    /// A span before now.
    Before(Duration),
    At(Timestamp),
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(sequence) = text.parse() {
            return Ok(Self::Event(sequence));
        }
        text.parse().map(Self::Time)
    }
}

impl FromStr for Instant {
    type Err = String;

    /// Parses a span before now (`5m`), or a time: with an offset or `Z`, else in this host's time zone.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(span) = duration(text) {
            return Ok(Self::Before(span));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::At(time));
        }
        let local = text.parse::<DateTime>().ok();
        let zoned = local.and_then(|local| local.to_zoned_datetime(TimeZone::system()).ok());
        zoned.map(|zoned| Self::At(zoned.timestamp())).ok_or_else(|| {
            "write a span such as 90s, 5m, 2h or 1d, or a time such as 2026-11-30T09:00 (local) or 2026-11-30T09:00:00Z"
                .to_owned()
        })
    }
}

impl Instant {
    /// Returns the time; the earliest one for a span from before all times.
    pub(in crate::cli) fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Before(span) => now.checked_sub(span).unwrap_or(Timestamp::MIN),
        }
    }
}

/// Parses a reason of a denial or a kind of note.
fn reason(text: &str) -> Result<String, String> {
    let denials = Reason::ALL.into_iter().filter(|reason| reason.denies());
    let known: Vec<&str> = denials
        .map(Reason::word)
        .chain(EventKind::ALL.iter().map(|kind| kind.word()))
        .collect();
    match known.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("write one of {}", known.join(", "))),
    }
}

/// Parses an address or prefix.
fn destination(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let net = address.or_else(|_| text.parse::<IpNet>());
    net.map_err(|_unreadable| "write an address or a prefix, such as 20.38.98.0/24".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::test_data;

    #[test]
    fn a_time_is_a_span_or_a_date() {
        assert_eq!("17".parse(), Ok(Since::Event(17)));
        assert_eq!(
            "5m".parse(),
            Ok(Since::Time(Instant::Before(Duration::from_mins(5))))
        );
        assert_eq!(
            "2w".parse(),
            Ok(Instant::Before(Duration::from_hours(14 * 24)))
        );
        assert!("2026-11-30".parse::<Instant>().is_ok());
        assert!("2026-11-30T09:00".parse::<Instant>().is_ok());
        for wrong in ["", "m", "-5m", "5y", "yesterday"] {
            assert!(wrong.parse::<Instant>().is_err(), "{wrong}");
        }
        let ages = Instant::Before(Duration::MAX).resolve(test_data::at("00:00"));
        assert_eq!(ages, Timestamp::MIN);
    }

    #[test]
    fn an_unknown_reason_or_destination_is_refused_with_what_is_known() {
        assert!(reason("strange").unwrap_err().contains("storage"));
        assert!(reason("names").is_ok());
        assert!(
            destination("contoso")
                .unwrap_err()
                .contains("20.38.98.0/24")
        );
    }
}
