//! Files that use one another, directly or through others.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
};

use super::tree::Arrows;

/// One line for each circle: the shortest through each arrow that is part of one, without those of which a shorter circle has an arrow.
pub(super) fn of(arrows: &Arrows) -> Vec<String> {
    let mut uses: BTreeMap<&Path, Vec<&Path>> = BTreeMap::new();
    for (from, to) in arrows.keys() {
        uses.entry(from).or_default().push(to);
    }
    let mut found = BTreeSet::new();
    for (from, to) in arrows.keys() {
        if let Some(back) = shortest(&uses, to, from) {
            found.insert(turned(back));
        }
    }
    let mut by_length: Vec<&Vec<&Path>> = found.iter().collect();
    by_length.sort_by_key(|circle| circle.len());
    let mut reported: BTreeSet<(&Path, &Path)> = BTreeSet::new();
    by_length.retain(|circle| {
        let arrows: Vec<(&Path, &Path)> = arrows_of(circle).collect();
        let is_new = !arrows.iter().any(|arrow| reported.contains(arrow));
        reported.extend(arrows);
        is_new
    });
    by_length
        .iter()
        .map(|circle| line(circle, arrows))
        .collect()
}

fn arrows_of<'a>(circle: &'a [&'a Path]) -> impl Iterator<Item = (&'a Path, &'a Path)> {
    let next = circle.iter().cycle().skip(1);
    circle.iter().copied().zip(next.copied())
}

/// The files on the shortest way, both ends included.
fn shortest<'a>(
    uses: &BTreeMap<&'a Path, Vec<&'a Path>>,
    from: &'a Path,
    to: &Path,
) -> Option<Vec<&'a Path>> {
    let mut came_from: BTreeMap<&Path, &Path> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(file) = queue.pop_front() {
        if file == to {
            let mut way = vec![file];
            let mut file = file;
            while file != from {
                file = came_from.get(file)?;
                way.push(file);
            }
            way.reverse();
            return Some(way);
        }
        for next in uses.get(file).into_iter().flatten() {
            if *next != from && !came_from.contains_key(next) {
                came_from.insert(next, file);
                queue.push_back(next);
            }
        }
    }
    None
}

/// A circle starts with its first file by name, so that it is found once.
fn turned(mut circle: Vec<&Path>) -> Vec<&Path> {
    let first = circle.iter().enumerate().min_by_key(|(_, file)| **file);
    if let Some((first, _)) = first {
        circle.rotate_left(first);
    }
    circle
}

fn line(circle: &[&Path], arrows: &Arrows) -> String {
    let mut text = String::new();
    for (file, next) in arrows_of(circle) {
        let arrow = (file.to_owned(), next.to_owned());
        let path = arrows.get(&arrow).map_or("?", String::as_str);
        text.push_str(&format!("{} → [{path}] ", file.display()));
    }
    format!("circle: {text}→ back")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(pairs: &[(&str, &str)]) -> Vec<String> {
        let arrow = |(from, to): &(&str, &str)| ((from.into(), to.into()), "x".to_owned());
        of(&pairs.iter().map(arrow).collect())
    }

    #[test]
    fn a_line_of_arrows_is_no_circle() {
        assert!(circles(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
    }

    #[test]
    fn each_circle_is_reported_once() {
        let found = circles(&[
            ("b", "a"),
            ("a", "b"),
            ("c", "a"),
            ("c", "d"),
            ("d", "e"),
            ("e", "c"),
        ]);
        assert_eq!(
            found,
            [
                "circle: a → [x] b → [x] → back",
                "circle: c → [x] d → [x] e → [x] → back"
            ]
        );
    }

    #[test]
    fn a_circle_with_an_arrow_of_a_shorter_one_is_left_for_later() {
        let found = circles(&[("a", "b"), ("b", "a"), ("b", "c"), ("c", "a")]);
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
