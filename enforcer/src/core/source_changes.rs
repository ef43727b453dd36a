//! Differences between the previous and the current sources.

use jiff::Timestamp;

use super::tags_status::TagsChange;
use crate::azure::TagSnapshot;
use crate::azure::endpoints::Endpoint;
use crate::sources::Sources;

/// Returns a sentence for each registry whose names changed.
pub(crate) fn changes_of_names(before: &Sources, after: &Sources) -> Vec<String> {
    let registries = after.config.registries.iter().zip(&after.endpoints);
    let changed = registries.filter_map(|(registry, now)| {
        let login_server = &registry.login_server;
        let known = before.config.registries.iter().zip(&before.endpoints);
        let mut known = known.filter(|(registry, _)| registry.login_server == *login_server);
        let then: &[Endpoint] = known.next().map_or(&[], |(_, names)| names);
        let mut parts: Vec<String> = missing_from(now, then)
            .map(|endpoint| format!("{} came ({})", endpoint.name, endpoint.origin))
            .collect();
        let gone = missing_from(then, now);
        parts.extend(gone.map(|endpoint| format!("{} went, its addresses linger", endpoint.name)));
        (!parts.is_empty()).then(|| format!("{login_server}: {}", parts.join("; ")))
    });
    changed.collect()
}

/// Returns the endpoints in `these` whose names are not in `others`.
fn missing_from<'a>(
    these: &'a [Endpoint],
    others: &'a [Endpoint],
) -> impl Iterator<Item = &'a Endpoint> {
    these
        .iter()
        .filter(|one| others.iter().all(|other| other.name != one.name))
}

/// Counts the added and removed aggregated prefixes over all tags.
pub(crate) fn changes_of_tags(
    before: &TagSnapshot,
    after: &TagSnapshot,
    at: Timestamp,
) -> TagsChange {
    let missing_from = |one: &TagSnapshot, other: &TagSnapshot| -> usize {
        let families = one.families.iter().map(|(tag, prefixes)| {
            let known = other.families.get(tag);
            prefixes
                .iter()
                .filter(|prefix| known.is_none_or(|known| !known.covers(*prefix)))
                .count()
        });
        families.sum()
    };
    TagsChange {
        at,
        from: before.change_number,
        to: after.change_number,
        added: missing_from(after, before),
        removed: missing_from(before, after),
        took_ms: 0,
    }
}
