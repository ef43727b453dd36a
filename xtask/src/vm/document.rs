//! The text of docs/kernel-support.md, from the outcomes of a run.

use super::outcome::{Cost, Outcome};

/// Returns the whole text.
pub(super) fn text(outcomes: &[Outcome]) -> String {
    let mut text = "# Kernels\n\n\
        Written by `./x vm --write docs/kernel-support.md`: the tests that face the kernel, run in virtual machines that boot\n\
        Debian's kernels (flavour `cloud`), with the release and the development build of the kernel programs. No feature in the\n\
        second table is required; the tests assert that each is present or absent as it says.\n\n"
        .to_owned();
    text.push_str(&kernels(outcomes));
    text.push_str(&features(outcomes));
    text.push_str(&costs(outcomes));
    text
}

fn kernels(outcomes: &[Outcome]) -> String {
    let mut text = "| kernel | machine | Debian's package | tests | resident memory of the daemon |\n|---|---|---|---|---|\n".to_owned();
    for outcome in outcomes {
        let resident = outcome.resident.map_or("-".to_owned(), |kib| {
            format!("{}.{} MiB", kib / 1024, kib % 1024 * 10 / 1024)
        });
        text.push_str(&format!(
            "| {} | {} | {} ({}) | {} passed, {} in part | {resident} |\n",
            outcome.name,
            outcome.machine,
            outcome.release,
            outcome.version,
            outcome.counts.passed,
            outcome.counts.skipped
        ));
    }
    text.push_str("\n## What each has and lacks\n\n");
    text
}

fn features(outcomes: &[Outcome]) -> String {
    let mut text = heading("| since | what | for |", 3, outcomes);
    let Some(first) = outcomes.first() else {
        return text;
    };
    for feature in &first.features {
        text.push_str(&format!(
            "| {} | {} | {} |",
            feature.since, feature.name, feature.purpose
        ));
        for outcome in outcomes {
            let mut all = outcome.features.iter();
            let found = all.find(|other| other.name == feature.name);
            let word = match found.map(|found| found.is_there) {
                Some(true) => "yes",
                Some(false) => "no",
                None => "?",
            };
            text.push_str(&format!(" {word} |"));
        }
        text.push('\n');
    }
    let mut lacking: Vec<String> = Vec::new();
    for outcome in outcomes {
        let lines = outcome.lacking.iter();
        lacking.extend(lines.map(|line| format!("- {}: {line}\n", outcome.name)));
    }
    if !lacking.is_empty() {
        text.push_str(
            "\nWhat could not be tested there, so that a test counts as passed in part:\n\n",
        );
        text.push_str(&lacking.concat());
    }
    text
}

fn costs(outcomes: &[Outcome]) -> String {
    let mut text = "\n## Instructions that the verifier processes\n\n\
        The sum over all paths, at each start, and the budget that a test holds; a kernel allows 1,000,000 for each program, and no\n\
        budget exceeds two thirds of that. Kernels before 5.16 do not report the sum: there it is from the verifier's log. In\n\
        parentheses: the instructions of the program after verification.\n\n"
        .to_owned();
    text.push_str(&heading("| program | build |", 2, outcomes));
    let Some(first) = outcomes.first() else {
        return text;
    };
    for cost in &first.costs {
        text.push_str(&format!("| `{}` | {} |", cost.program, cost.profile));
        for outcome in outcomes {
            let is_same =
                |other: &&Cost| other.program == cost.program && other.profile == cost.profile;
            let word = match outcome.costs.iter().find(is_same) {
                Some(Cost {
                    verified,
                    budget,
                    instructions,
                    ..
                }) => format!("{verified} of {budget} ({instructions})"),
                None => "?".to_owned(),
            };
            text.push_str(&format!(" {word} |"));
        }
        text.push('\n');
    }
    text
}

/// Head of a table with `columns` columns and one for each kernel.
fn heading(start: &str, columns: usize, outcomes: &[Outcome]) -> String {
    let names: Vec<String> = outcomes
        .iter()
        .map(|outcome| format!(" {} |", outcome.name))
        .collect();
    let rule = "---|".repeat(columns + outcomes.len());
    format!("{start}{}\n|{rule}\n", names.concat())
}
