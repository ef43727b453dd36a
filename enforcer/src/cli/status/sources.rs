//! Where names and prefixes come from, as a person reads it.

use crate::cli::table::Table;
use crate::cli::words::{instant, or_dash};
use crate::control::SourceStatus;

/// One row for each source that can change while the daemon runs.
pub(super) fn sources(sources: &[SourceStatus]) -> Table {
    let mut table = Table::new(2, ["SOURCE", "OF", "CONFIRMED", "STATE"]);
    for source in sources {
        let registry = source.registry.as_ref();
        table.row([
            what(source),
            registry.map_or("service tags".to_owned(), ToString::to_string),
            or_dash(source.confirmed.map(instant).unwrap_or_default()),
            state(source),
        ]);
    }
    table
}

fn what(source: &SourceStatus) -> String {
    match source.kind.as_str() {
        "dns-discovery" => "DNS".to_owned(),
        "service-tags-api" => format!("Discovery API, subscription {}", source.source),
        _ => source.source.clone(),
    }
}

fn state(source: &SourceStatus) -> String {
    if let Some(failing) = &source.failing {
        let since = instant(failing.since);
        return format!("failing since {since}: {}", failing.message);
    }
    match (source.confirmed, source.next) {
        (None, _) => "not asked yet".to_owned(),
        (Some(_), None) => "good, watched".to_owned(),
        (Some(_), Some(next)) => format!("good, next {}", instant(next)),
    }
}
