//! When service tags were published, by their change number: the name and the times of a file say nothing of its content.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Span};

use crate::azure::bundle::header;
use crate::config::Cloud;

/// Change numbers of the public cloud with the days of their publication, ascending.
const PUBLIC: [(u32, Date); 5] = [
    (305, date(2024, 5, 6)),
    (373, date(2025, 10, 13)),
    (375, date(2025, 10, 28)),
    (413, date(2026, 8, 10)),
    (421, date(2026, 10, 5)),
];
/// Tenths of a day from one change number to the next: the mean of the public cloud from 2024 to 2026.
const TENTHS_OF_A_DAY: i64 = 76;
/// Days by which a date estimated from known publications may differ from the true one.
const TOLERANCE: i32 = 14;

/// The day of publication of the set `change_number` of `cloud`. `told` is what its name, its file's time or a server says: it counts as far
/// as the change number bears it out. Change numbers of one cloud say nothing about another's.
pub fn published_on(cloud: Cloud, change_number: u32, told: Option<Date>) -> Option<Date> {
    let header = header::header(cloud).ok();
    if let Some(header) = &header
        && header.change_number == change_number
    {
        return Some(header.date);
    }
    let known = known(cloud);
    let Some(estimate) = estimate(&known, change_number) else {
        return told;
    };
    let Some(told) = told else {
        return Some(estimate);
    };
    let (earliest, latest) = (shifted(estimate, -TOLERANCE), shifted(estimate, TOLERANCE));
    match known.last() {
        // Later than all that is known: the estimate errs more the further it reaches.
        Some((number, day)) if change_number > *number => Some(told.clamp(*day, latest.max(*day))),
        _ if (earliest..=latest).contains(&told) => Some(told),
        _ => Some(estimate),
    }
}

/// Whether known publications date the set `change_number` of `cloud` before `day`.
pub(in crate::azure) fn is_dated_before(cloud: Cloud, change_number: u32, day: Date) -> bool {
    estimate(&known(cloud), change_number).is_some_and(|estimate| estimate < day)
}

/// Known pairs of `cloud`, ascending, the bundle's among them where its change number is exact.
fn known(cloud: Cloud) -> Vec<(u32, Date)> {
    let mut known = match cloud {
        Cloud::Public => PUBLIC.to_vec(),
        Cloud::UsGovernment | Cloud::China => Vec::new(),
    };
    let header = header::header(cloud).ok();
    let exact = header.filter(|header| !header.is_lower_bound);
    known.extend(exact.map(|header| (header.change_number, header.date)));
    known.sort_unstable();
    known.dedup_by_key(|(number, _)| *number);
    known
}

/// The day of `change_number` on the line through the known pairs around it; beyond them at the mean rate.
fn estimate(known: &[(u32, Date)], change_number: u32) -> Option<Date> {
    let after = known.partition_point(|(number, _)| *number <= change_number);
    let (before, after) = known.split_at(after);
    let (from, day, tenths) = match (before.last(), after.first()) {
        (Some((from, day)), Some((to, end))) => {
            let days = end.duration_since(*day).as_hours() / 24;
            let passed = i64::from(change_number - from) * days * 10;
            (*from, *day, Some(passed / i64::from(to - from)))
        }
        (Some((number, day)), None) | (None, Some((number, day))) => (*number, *day, None),
        (None, None) => return None,
    };
    let passed = i64::from(change_number) - i64::from(from);
    let tenths = tenths.unwrap_or(passed * TENTHS_OF_A_DAY);
    let passed = SignedDuration::from_hours(tenths.checked_mul(24)? / 10);
    day.checked_add(passed).ok()
}

fn shifted(day: Date, days: i32) -> Date {
    day.saturating_add(Span::new().days(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(change_number: u32, told: Option<Date>) -> Option<Date> {
        published_on(Cloud::Public, change_number, told)
    }

    #[test]
    fn a_set_of_may_2024_keeps_its_age_whatever_name_or_time_its_file_has() {
        let day = date(2024, 5, 6);
        for told in [None, Some(date(2026, 11, 29)), Some(date(1970, 1, 1))] {
            assert_eq!(public(305, told), Some(day), "{told:?}");
        }
    }

    #[test]
    fn known_publications_date_those_between_them() {
        for (number, day) in PUBLIC {
            assert_eq!(public(number, None), Some(day));
        }
        assert_eq!(public(374, None), Some(date(2025, 10, 20)));
        // The true day, where it fits, is better than the estimate.
        assert_eq!(
            public(340, Some(date(2025, 1, 27))),
            Some(date(2025, 1, 27))
        );
        let estimate = public(340, None).unwrap();
        assert_eq!(public(340, Some(date(2025, 6, 2))), Some(estimate));
        assert_eq!(public(1, None), Some(date(2018, 1, 8)));
    }

    #[test]
    fn later_sets_are_dated_by_what_is_told_within_bounds() {
        assert_eq!(
            public(425, Some(date(2026, 11, 2))),
            Some(date(2026, 11, 2))
        );
        assert_eq!(
            public(425, Some(date(2036, 1, 1))),
            Some(date(2026, 11, 18))
        );
        assert_eq!(public(425, Some(date(1980, 1, 1))), Some(date(2026, 10, 5)));
        let now = date(2026, 11, 29);
        assert_eq!(public(5000, Some(now)), Some(now));
        assert_eq!(public(u32::MAX, Some(now)), Some(now));
    }

    #[test]
    fn each_cloud_has_numbers_of_its_own() {
        let day = date(2026, 7, 20);
        assert_eq!(published_on(Cloud::UsGovernment, 402, None), Some(day));
        assert_eq!(published_on(Cloud::China, 405, None), Some(day));
        assert!(published_on(Cloud::China, 402, None) < Some(day));
    }

    #[test]
    fn the_bundle_is_dated_by_its_own_day() {
        assert_eq!(public(403, None), Some(date(2026, 6, 22)));
        // By exact pairs, 404 was published before the bundle, whose number is a lower bound.
        assert!(is_dated_before(Cloud::Public, 404, date(2026, 6, 22)));
        assert!(!is_dated_before(Cloud::Public, 407, date(2026, 6, 22)));
    }
}
