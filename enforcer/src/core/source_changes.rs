//! What differs between what was in force and what is.

use jiff::Timestamp;

use super::snapshot::TagsChange;
use crate::azure::TagSnapshot;
use crate::azure::endpoints::Endpoint;
use crate::sources::Sources;

/// A sentence for each registry whose names changed.
pub(crate) fn changes_of_names(before: &Sources, after: &Sources) -> Vec<String> {
    let registries = after.config.registries.iter().zip(&after.endpoints);
    let changed = registries.filter_map(|(registry, now)| {
        let login_server = &registry.login_server;
        let known = before.config.registries.iter().zip(&before.endpoints);
        let mut known = known.filter(|(registry, _)| registry.login_server == *login_server);
        let then: &[Endpoint] = known.next().map_or(&[], |(_, names)| names);
        let mut parts: Vec<String> = beside(now, then)
            .map(|endpoint| format!("{} came ({})", endpoint.name, endpoint.origin))
            .collect();
        let gone = beside(then, now);
        parts.extend(gone.map(|endpoint| format!("{} went, its addresses linger", endpoint.name)));
        (!parts.is_empty()).then(|| format!("{login_server}: {}", parts.join("; ")))
    });
    changed.collect()
}

/// Those of `these` that are not among `others`.
fn beside<'a>(these: &'a [Endpoint], others: &'a [Endpoint]) -> impl Iterator<Item = &'a Endpoint> {
    these
        .iter()
        .filter(|one| others.iter().all(|other| other.name != one.name))
}

/// How many aggregated prefixes came and went, in all tags that are read.
pub(crate) fn changes_of_tags(
    before: &TagSnapshot,
    after: &TagSnapshot,
    at: Timestamp,
) -> TagsChange {
    let beside = |one: &TagSnapshot, other: &TagSnapshot| -> usize {
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
        added: beside(after, before),
        removed: beside(before, after),
        took_ms: 0,
    }
}
