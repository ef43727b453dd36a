//! Whether the daemon reports a denial: where the attempt itself does not show who refused it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::in_force::InForce;
use crate::core::{EventKind, EventRecord};

/// Maximum wait for the report. A denial like one of the last ten seconds is reported when these are over.
const PATIENCE: Duration = Duration::from_secs(15);
/// Time between two requests.
const WAIT: Duration = Duration::from_millis(500);
/// By how much the time of an event may differ from that of the attempt.
const TOLERANCE: Duration = Duration::from_secs(2);

/// What to do about a refusal that nobody reports.
pub(super) const FIX: &str =
    "run it again; if it stays, another program or the peer refuses it: look for one";

/// Returns whether the daemon reports a denial since `since` that `fits`.
pub(super) fn is_reported(
    in_force: &InForce,
    since: Timestamp,
    fits: impl Fn(&EventRecord) -> bool,
) -> bool {
    let end = Instant::now() + PATIENCE;
    let from = since - TOLERANCE;
    loop {
        let events = (in_force.events_since)(&in_force.paths, from);
        let mut denials = events.iter().filter(|it| it.kind() == EventKind::Denied);
        if denials.any(&fits) {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        sleep(WAIT);
    }
}
