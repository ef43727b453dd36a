//! The final table: the outcome of each scenario in each phase.

use crate::{
    environment::Phase,
    scenario::{Outcome, Scenario},
};

/// Outcomes by phase and scenario.
#[derive(Default)]
pub(crate) struct Table {
    cells: Vec<(Phase, Scenario, String)>,
}

impl Table {
    /// Adds an outcome.
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

    /// Returns the heading and one line per scenario, with aligned columns.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut rows = vec![row("scenario", Phase::ALL.map(Phase::title))];
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
        found.map_or("not run", |(_, _, word)| word)
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
    fn unexpected_outcomes_are_marked_and_missing_ones_are_shown_as_not_run() {
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
        assert_eq!(cells[1..], ["not run", "refused", "works (!)"]);
    }

    #[test]
    fn columns_are_aligned_and_fit_a_terminal() {
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
