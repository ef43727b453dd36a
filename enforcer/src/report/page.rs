//! The report as a page.

use super::ages::{Age, Urgency};
use super::digest::Digest;
use crate::config::Mode;
use crate::page::{Cell, Page, Tone, facts, paragraph, table};

/// Returns the page.
pub(crate) fn page(digest: &Digest) -> String {
    let tone = match digest.alarms.is_empty() && digest.mode == Mode::Enforce {
        true => Tone::Good,
        false => Tone::Bad,
    };
    let mode = match digest.mode {
        Mode::Enforce => "enforcing",
        Mode::Audit => "in audit mode: nothing is dropped",
    };
    let title = format!("Egress of the last {}", digest.period);
    let lead = format!(
        "{:.0} to {:.0}: {mode}, {} denials, {} alarms.",
        digest.from,
        digest.time,
        digest.denials(),
        digest.alarms.len(),
    );
    let mut page = Page::new(&title, tone, &digest.host, &lead);
    page.section("What needs attention", &[alarms(digest)]);
    page.section("What was refused, and by whom", &digest.history.parts());
    page.section("Where to", &[destinations(digest)]);
    page.section("What changed", &[changes(digest)]);
    page.section("What ages", &[ages(&digest.ages)]);
    page.section(
        "Versions",
        &[facts(&[("egress-enforcer", digest.version.clone())])],
    );
    page.end()
}

fn alarms(digest: &Digest) -> String {
    if digest.alarms.is_empty() {
        return paragraph("No alarm is raised.");
    }
    let rows = digest.alarms.iter().map(|alarm| {
        [
            Cell::toned(&alarm.kind, Tone::Bad),
            Cell::new(format!("{:.0}", alarm.since)),
            Cell::new(&alarm.message),
        ]
    });
    table(["Alarm", "Since", "Message"], rows.collect())
}

fn destinations(digest: &Digest) -> String {
    if digest.destinations.is_empty() {
        return paragraph("Nothing was refused.");
    }
    let rows = digest.destinations.iter().map(|one| {
        [
            Cell::new(one.count.to_string()),
            Cell::new(&one.destination),
            Cell::new(one.name.as_deref().unwrap_or("-")),
        ]
    });
    table(["Denials", "Destination", "Server name"], rows.collect())
}

fn changes(digest: &Digest) -> String {
    if digest.changes.is_empty() {
        return paragraph("Nothing, as far as the daemon still holds the events.");
    }
    let rows = digest.changes.iter().map(|change| {
        [
            Cell::new(format!("{:.0}", change.time)),
            Cell::new(&change.message),
        ]
    });
    table(["Time", "Change"], rows.collect())
}

fn ages(ages: &[Age]) -> String {
    let rows = ages.iter().map(|age| {
        let tone = match age.urgency {
            Urgency::Now => Tone::Bad,
            Urgency::Soon => Tone::Unknown,
            Urgency::None => Tone::Plain,
        };
        [Cell::new(&age.what), Cell::toned(&age.state, tone)]
    });
    table(["What", "State"], rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::digest::tests::digest;

    #[test]
    fn each_part_is_on_the_page() {
        let page = page(&digest());
        for words in [
            "Egress of the last day",
            "20.38.98.100:443",
            "build.service",
            "a replica came",
            "service tags",
            "<svg",
        ] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }
}
