//! Counts over time as bars, in SVG.

use std::collections::{BTreeMap, BTreeSet};

use super::escaped::Escaped;

/// Size of the drawing, and what is below and beside the bars, in its units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 48.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 14.0;
/// Share of a step's width that its bar has.
const BAR: f64 = 0.8;
/// Maximum number of labels below the bars.
const LABELS: usize = 7;
/// Colours that are told apart on light and dark, also without colour vision (Okabe and Ito); further reasons share the last.
const COLOURS: [&str; 6] = [
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#999999",
];

/// Returns a figure of counts by name: a bar for each step of time, with its label.
pub(crate) fn bars(title: &str, steps: &[(String, BTreeMap<String, u64>)]) -> String {
    let counts = || steps.iter().map(|(_, counts)| counts);
    let names: BTreeSet<&str> = counts()
        .flat_map(|counts| counts.keys().map(String::as_str))
        .collect();
    let most = counts().map(|counts| counts.values().sum::<u64>());
    let most = most.max().unwrap_or(0).max(1);
    let colour = |name: &str| {
        let at = names.iter().position(|other| *other == name);
        COLOURS[at.unwrap_or(0).min(COLOURS.len() - 1)]
    };
    let title = Escaped(title);
    let mut svg = format!(
        "<figure>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n\
         <text x=\"{LEFT}\" y=\"{ABOVE}\" dx=\"-6\" text-anchor=\"end\">{most}</text>\n\
         <text x=\"{LEFT}\" y=\"{base}\" dx=\"-6\" text-anchor=\"end\">0</text>\n",
        base = HEIGHT - BELOW,
    );
    let width = (WIDTH - LEFT) / steps.len().max(1) as f64;
    for (index, (label, counts)) in steps.iter().enumerate() {
        let x = LEFT + width * index as f64;
        let mut top = HEIGHT - BELOW;
        for (name, count) in counts {
            let height = (HEIGHT - BELOW - ABOVE) * *count as f64 / most as f64;
            top -= height;
            svg.push_str(&format!(
                "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{}\"><title>{}: {count}</title></rect>\n",
                width * BAR,
                colour(name),
                Escaped(name),
            ));
        }
        if index % steps.len().div_ceil(LABELS).max(1) == 0 {
            let label = Escaped(label);
            svg.push_str(&format!(
                "<text x=\"{x:.1}\" y=\"{HEIGHT}\" dy=\"-6\">{label}</text>\n"
            ));
        }
    }
    svg.push_str(&format!("</svg>\n<figcaption>{title}:"));
    for name in &names {
        let colour = colour(name);
        let name = Escaped(name);
        svg.push_str(&format!(" <span style=\"color:{colour}\">■</span> {name}"));
    }
    svg.push_str("</figcaption>\n</figure>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_bar_fills_the_drawing_and_others_are_in_proportion() {
        let step = |(label, name, count): (&str, &str, u64)| {
            (label.to_owned(), BTreeMap::from([(name.to_owned(), count)]))
        };
        let steps = [("10:00", "storage", 100), ("11:00", "registry", 50)].map(step);
        let svg = bars("Denials", &steps);
        assert!(svg.contains("height=\"142.0\""), "{svg}");
        assert!(svg.contains("height=\"71.0\""), "{svg}");
        assert!(svg.contains(">10:00<"), "{svg}");
        assert!(svg.contains(COLOURS[0]) && svg.contains(COLOURS[1]));
    }

    #[test]
    fn a_time_without_counts_has_no_bars() {
        let svg = bars("Denials", &[(String::new(), BTreeMap::new())]);
        assert!(!svg.contains("<rect") && !svg.contains("NaN"));
        assert!(!bars("Denials", &[]).contains("NaN"));
    }
}
