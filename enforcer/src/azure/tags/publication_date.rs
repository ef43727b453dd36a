//! The day on which service tags were published, derived from their change number: the name and the times of a file may not match its
//! content.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Span};

use crate::azure::bundle::header;
use crate::config::Cloud;

/// Change numbers of the public cloud with their publication days, ascending.
const PUBLIC: [(u32, Date); 5] = [
    (305, date(2024, 5, 6)),
    (373, date(2025, 10, 13)),
    (375, date(2025, 10, 28)),
    (413, date(2026, 8, 10)),
    (421, date(2026, 10, 5)),
];
/// Tenths of a day from one change number to the next: the mean of the public cloud from 2024 to 2026.
const TENTHS_OF_A_DAY: i64 = 76;
/// The most days by which an estimated date may differ from the true one.
const TOLERANCE: i32 = 14;

/// Returns the publication day of the set `change_number` of `cloud`. `claimed` is the day in its name, of its file's time or from a server:
/// it is used as far as it is consistent with the change number. Change numbers of different clouds are unrelated.
pub fn published_on(cloud: Cloud, change_number: u32, claimed: Option<Date>) -> Option<Date> {
    let header = header::header(cloud).ok();
    if let Some(header) = &header
        && header.change_number == change_number
    {
        return Some(header.date);
    }
    let known = known(cloud);
    let Some(estimate) = estimate(&known, change_number) else {
        return claimed;
    };
    let Some(claimed) = claimed else {
        return Some(estimate);
    };
    let (earliest, latest) = (shifted(estimate, -TOLERANCE), shifted(estimate, TOLERANCE));
    match known.last() {
        // Later than all known publications: the further the extrapolation, the larger its error.
        Some((number, day)) if change_number > *number => {
            Some(claimed.clamp(*day, latest.max(*day)))
        }
        _ if (earliest..=latest).contains(&claimed) => Some(claimed),
        _ => Some(estimate),
    }
}

/// Whether the set `change_number` of `cloud` was published before `day`, as estimated from known publications.
pub(in crate::azure) fn is_dated_before(cloud: Cloud, change_number: u32, day: Date) -> bool {
    estimate(&known(cloud), change_number).is_some_and(|estimate| estimate < day)
}

/// Returns the known pairs of `cloud`, ascending, including that of the bundle where its change number is exact.
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

/// Estimates the day of `change_number`: linear interpolation between known pairs, and extrapolation at the mean rate.
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

    fn public(change_number: u32, claimed: Option<Date>) -> Option<Date> {
        published_on(Cloud::Public, change_number, claimed)
    }

    #[test]
    fn the_name_or_time_of_a_file_does_not_change_a_known_date() {
        let day = date(2024, 5, 6);
        for claimed in [None, Some(date(2026, 11, 29)), Some(date(1970, 1, 1))] {
            assert_eq!(public(305, claimed), Some(day), "{claimed:?}");
        }
    }

    #[test]
    fn sets_between_known_publications_are_interpolated() {
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
    fn the_claimed_date_of_a_later_set_is_used_within_bounds() {
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
    fn change_numbers_of_clouds_are_unrelated() {
        let day = date(2026, 7, 20);
        assert_eq!(published_on(Cloud::UsGovernment, 402, None), Some(day));
        assert_eq!(published_on(Cloud::China, 405, None), Some(day));
        assert!(published_on(Cloud::China, 402, None) < Some(day));
    }

    #[test]
    fn the_bundle_has_the_date_in_its_header() {
        assert_eq!(public(403, None), Some(date(2026, 6, 22)));
        // By exact pairs, 404 was published before the bundle, whose number is a lower bound.
        assert!(is_dated_before(Cloud::Public, 404, date(2026, 6, 22)));
        assert!(!is_dated_before(Cloud::Public, 407, date(2026, 6, 22)));
    }
}
