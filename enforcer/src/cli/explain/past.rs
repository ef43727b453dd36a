//! `explain --event` and `--last`: the question that a past denial was the answer to.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::cli::args::{ExplainArgs, Protocol};
use crate::cli::daemon_client::wait_for;
use crate::config::Paths;
use crate::control::client;
use crate::core::EventRecord;
use crate::sys::cgroup_root;

/// Completes `args` from the event that they name, and returns notes for people.
///
/// # Errors
/// If the daemon does not answer or no longer has the event, or it has no destination.
pub(super) fn complete(paths: &Paths, args: &mut ExplainArgs) -> Result<Vec<String>> {
    if args.event.is_none() && !args.last {
        return Ok(Vec::new());
    }
    let events = wait_for(client::events(&paths.runtime, 0))??;
    let event = match args.event {
        Some(sequence) => numbered(&events, sequence)?,
        None => last(&events).context("the daemon has no denial of a destination")?,
    };
    let mut notes = vec![format!(
        "event {} at {:.0}: {}",
        event.sequence,
        event.time,
        event.sentence()
    )];
    restate(event, args)?;
    notes.extend(set_initiator(&cgroup_root()?, event, args));
    Ok(notes)
}

fn numbered(events: &[EventRecord], sequence: u64) -> Result<&EventRecord> {
    let found = events.iter().find(|event| event.sequence == sequence);
    found.with_context(|| {
        let range = match events {
            [first, .., last] => format!("{} to {}", first.sequence, last.sequence),
            [only] => only.sequence.to_string(),
            [] => "none".to_owned(),
        };
        format!("the daemon has no event {sequence}; it keeps {range}")
    })
}

fn last(events: &[EventRecord]) -> Option<&EventRecord> {
    let mut newest = events.iter().rev();
    newest.find(|event| event.kind().is_denial() && event.destination.is_some())
}

/// Sets destination, protocol and server name.
fn restate(event: &EventRecord, args: &mut ExplainArgs) -> Result<()> {
    let sequence = event.sequence;
    let address = event.destination.with_context(|| {
        format!("event {sequence} is not about a destination: `egress-enforcer events` shows it")
    })?;
    args.proto = match event.protocol.as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "icmp" => Protocol::Icmp,
        other => bail!("event {sequence} has the protocol {other}, which cannot be explained"),
    };
    args.destination = Some(address.to_string());
    args.port = event.port;
    args.sni.clone_from(&event.server_name);
    Ok(())
}

/// Sets the cgroup of the event, or returns a note if it is gone.
fn set_initiator(root: &Path, event: &EventRecord, args: &mut ExplainArgs) -> Option<String> {
    let below = event.cgroup.as_deref();
    let below = below.map(|path| path.strip_prefix("/").unwrap_or(path));
    if let Some(path) = below.filter(|path| root.join(path).is_dir()) {
        args.cgroup = Some(Path::new("/").join(path));
        return None;
    }
    let gone = event.cgroup.as_ref();
    gone.map(|path| {
        format!(
            "the cgroup {} is gone: this is the verdict for a process without exceptions",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::doctor::test_data;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: ExplainArgs,
    }

    fn args() -> ExplainArgs {
        Line::try_parse_from(["explain", "--last"]).unwrap().args
    }

    #[test]
    fn the_question_is_that_of_the_event() {
        let mut args = args();
        let event = EventRecord {
            server_name: Some("mallory.azurecr.io".to_owned()),
            ..test_data::event()
        };
        restate(&event, &mut args).unwrap();
        assert_eq!(args.destination.as_deref(), Some("20.38.98.100"));
        assert_eq!((args.port, args.proto), (Some(443), Protocol::Tcp));
        assert_eq!(args.sni.as_deref(), Some("mallory.azurecr.io"));
        let root = std::env::temp_dir().join("no-such-cgroup-root");
        let note = set_initiator(&root, &event, &mut args).unwrap();
        assert!(note.contains("build.service is gone"), "{note}");
        assert_eq!(args.cgroup, None);
    }

    #[test]
    fn an_event_without_a_destination_is_no_question() {
        let other = EventRecord {
            protocol: "47".to_owned(),
            ..test_data::event()
        };
        let note = EventRecord {
            destination: None,
            ..test_data::event()
        };
        for (event, said) in [(other, "protocol 47"), (note, "not about a destination")] {
            let error = restate(&event, &mut args()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_last_denial_and_numbered_events_are_found() {
        let note = EventRecord {
            destination: None,
            sequence: 10,
            ..test_data::event()
        };
        let events = [test_data::event(), note];
        assert_eq!(last(&events).unwrap().sequence, 9);
        assert_eq!(numbered(&events, 10).unwrap().sequence, 10);
        let error = numbered(&events, 11).unwrap_err().to_string();
        assert!(error.contains("no event 11; it keeps 9 to 10"), "{error}");
        assert!(last(&[]).is_none());
    }
}
