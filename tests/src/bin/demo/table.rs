//! The table at the end: what was tried, and how it ended in each phase.

use crate::{
    environment::Phase,
    scenario::{Outcome, Scenario},
};

/// Outcomes by phase and thing.
#[derive(Default)]
pub(crate) struct Table {
    cells: Vec<(Phase, Scenario, String)>,
}

impl Table {
    /// Takes an outcome.
    pub(crate) fn add(
        &mut self,
        phase: Phase,
        scenario: Scenario,
        outcome: &Outcome,
        as_expected: bool,
    ) {
        let mark = if as_expected { "" } else { " (!)" };
        self.cells
            .push((phase, scenario, format!("{}{mark}", outcome.word())));
    }

    /// One line for each thing, below the headings; columns aligned.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut rows = vec![row("what was tried", Phase::ALL.map(Phase::title))];
        rows.push("-".repeat(rows[0].len()));
        for scenario in Scenario::ALL {
            let words = Phase::ALL.map(|phase| self.cell(phase, scenario));
            rows.push(row(scenario.title(), words));
        }
        rows
    }

    fn cell(&self, phase: Phase, scenario: Scenario) -> &str {
        let found = self
            .cells
            .iter()
            .find(|(at, what, _)| *at == phase && *what == scenario);
        found.map_or("not tried", |(_, _, word)| word)
    }
}

fn row(title: &str, words: [&str; 3]) -> String {
    let [before, enforced, killed] = words;
    format!("{title:<45} | {before:<9} | {enforced:<9} | {killed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_as_told_is_marked_and_what_was_not_tried_is_said() {
        let mut table = Table::default();
        let refused = Outcome::Refused(String::new());
        table.add(Phase::Enforced, Scenario::Upload, &refused, true);
        table.add(
            Phase::Killed,
            Scenario::Upload,
            &Outcome::Works(String::new()),
            false,
        );
        let lines = table.lines();
        let upload = lines.iter().find(|line| line.contains("upload")).unwrap();
        let cells: Vec<&str> = upload.split('|').map(str::trim).collect();
        assert_eq!(cells[1..], ["not tried", "refused", "works (!)"]);
    }

    #[test]
    fn the_columns_stand_below_each_other_and_fit_a_terminal() {
        let lines = Table::default().lines();
        let columns = |line: &String| -> Vec<usize> {
            let bars = line.char_indices().filter(|(_, letter)| *letter == '|');
            bars.map(|(at, _)| at).collect()
        };
        for line in lines.iter().skip(2) {
            assert_eq!(columns(line), columns(&lines[0]), "{line}");
            assert!(line.len() <= 90, "{line}");
        }
    }
}
