//! Denials by hour as bars, in SVG.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, ToSpan as _};

use super::escaped::Escaped;

/// Size of the drawing, and what is below and beside the bars, in its units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 48.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 14.0;
/// Share of an hour's width that its bar has.
const BAR: f64 = 0.8;
/// Hours between two labels.
const LABELS: usize = 4;
/// Colours that are told apart on light and dark, also without colour vision (Okabe and Ito); further reasons share the last.
const COLOURS: [&str; 6] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#999999",
];

/// Returns a figure of denials by hour and reason; the last hour ends at `now`.
pub(super) fn denials(hours: &[BTreeMap<String, u64>], now: Timestamp) -> String {
    let reasons: BTreeSet<&str> = hours
        .iter()
        .flat_map(|hour| hour.keys().map(String::as_str))
        .collect();
    let sums = hours.iter().map(|hour| hour.values().sum::<u64>());
    let most = sums.max().unwrap_or(0).max(1);
    let colour = |reason: &str| {
        let at = reasons.iter().position(|other| *other == reason);
        COLOURS[at.unwrap_or(0).min(COLOURS.len() - 1)]
    };
    let mut svg = format!(
        "<figure>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Denials by hour\">\n\
         <text x=\"{LEFT}\" y=\"{ABOVE}\" dx=\"-6\" text-anchor=\"end\">{most}</text>\n\
         <text x=\"{LEFT}\" y=\"{base}\" dx=\"-6\" text-anchor=\"end\">0</text>\n",
        base = HEIGHT - BELOW,
    );
    let step = (WIDTH - LEFT) / hours.len().max(1) as f64;
    for (index, hour) in hours.iter().enumerate() {
        let x = LEFT + step * index as f64;
        let mut top = HEIGHT - BELOW;
        for (reason, count) in hour {
            let height = (HEIGHT - BELOW - ABOVE) * *count as f64 / most as f64;
            top -= height;
            svg.push_str(&format!(
                "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{}\"><title>{}: {count}</title></rect>\n",
                step * BAR,
                colour(reason),
                Escaped(reason),
            ));
        }
        if index % LABELS == 0 {
            let label = label(hours.len() - index, now);
            svg.push_str(&format!(
                "<text x=\"{x:.1}\" y=\"{HEIGHT}\" dy=\"-6\">{label}</text>\n"
            ));
        }
    }
    svg.push_str("</svg>\n<figcaption>Denials by hour (UTC):");
    for reason in &reasons {
        svg.push_str(&format!(
            " <span style=\"color:{}\">■</span> {}",
            colour(reason),
            Escaped(reason)
        ));
    }
    svg.push_str("</figcaption>\n</figure>\n");
    svg
}

/// The time of day that many hours before `now`, in UTC.
fn label(hours_before: usize, now: Timestamp) -> String {
    let before = i64::try_from(hours_before).unwrap_or_default().hours();
    now.checked_sub(before)
        .map_or_else(|_| String::new(), |time| time.strftime("%H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_drawing_and_others_are_in_proportion() {
        let hours = [("storage", 100), ("registry", 50)]
            .map(|(reason, count)| BTreeMap::from([(reason.to_owned(), count)]));
        let svg = denials(&hours, "2026-11-30T12:00:00Z".parse().unwrap());
        assert!(svg.contains("height=\"142.0\""), "{svg}");
        assert!(svg.contains("height=\"71.0\""), "{svg}");
        assert!(svg.contains(">10:00<"), "{svg}");
        assert!(svg.contains(COLOURS[0]) && svg.contains(COLOURS[1]));
    }

    #[test]
    fn a_day_without_denials_has_no_bars() {
        let svg = denials(&[BTreeMap::new()], Timestamp::UNIX_EPOCH);
        assert!(!svg.contains("<rect") && !svg.contains("NaN"));
    }
}
