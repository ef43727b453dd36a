//! The proof as a page for an auditor.

use jiff::Timestamp;

use super::report::{Part, Report};
use crate::config::{DefaultAction, FramesMode};
use crate::doctor::{Check, CheckOutcome};
use crate::page::{Cell, Page, Tone, facts, table};

/// Returns the page.
pub(crate) fn page(report: &Report) -> String {
    let (title, tone) = match report.outcome {
        CheckOutcome::Ok if report.count(CheckOutcome::Unknown) == 0 => {
            ("Enforcement is proved", Tone::Good)
        }
        CheckOutcome::Ok => (
            "Enforcement is proved, but for what was not tried",
            Tone::Unknown,
        ),
        CheckOutcome::Failed | CheckOutcome::Unknown => ("Enforcement is not proved", Tone::Bad),
    };
    let lead = format!(
        "{}. {} checks as required, {} failed, {} not tried.",
        at(report.time),
        report.count(CheckOutcome::Ok),
        report.count(CheckOutcome::Failed),
        report.count(CheckOutcome::Unknown),
    );
    let mut page = Page::new(title, tone, &report.host.name, &lead);
    page.section("What was tested", &[tested(report)]);
    page.section("What is allowed", &[allowed(report)]);
    for part in &report.parts {
        page.section(&format!("What {}", part.title), &[checks(part)]);
    }
    page.section("Denials of the last day", &report.history.parts());
    page.end()
}

fn tested(report: &Report) -> String {
    let (host, policy) = (&report.host, &report.policy);
    let daemon = host.daemon.as_deref().unwrap_or("does not run");
    let none = || "none".to_owned();
    let in_force = policy.generation.zip(policy.applied);
    let in_force = in_force.map_or_else(none, |(generation, applied)| {
        format!("generation {generation}, since {}", at(applied))
    });
    let protected = format!(
        "{} ({} prefixes)",
        policy.protected_sha256, policy.protected_prefixes
    );
    facts(&[
        ("Kernel", format!("{} ({})", host.kernel, host.machine)),
        (
            "egress-enforcer",
            format!("{}, daemon {daemon}", host.version),
        ),
        ("Configuration", policy.file.display().to_string()),
        (
            "SHA-256 of the configuration",
            policy.sha256.clone().unwrap_or_else(none),
        ),
        ("Policy in force", in_force),
        (
            "Service tags",
            format!("change number {}", policy.tags_change_number),
        ),
        ("SHA-256 of the protected set", protected),
        (
            "SHA-256 of the kernel programs",
            host.programs_sha256.clone(),
        ),
        (
            "SHA-256 of those of network devices",
            host.device_programs_sha256.clone(),
        ),
    ])
}

fn allowed(report: &Report) -> String {
    let policy = &report.policy;
    let scope = policy.scope.as_ref();
    let scope = scope.map_or("not known".to_owned(), |scope| scope.display().to_string());
    let lines = |lines: &[String]| match lines {
        [] => "none".to_owned(),
        [..] => lines.join("; "),
    };
    let default = match policy.default {
        DefaultAction::Allow => "what is not protected passes",
        DefaultAction::Deny => "what is not allowed is denied",
    };
    let frames = match policy.frames {
        FramesMode::Off => "not judged",
        FramesMode::On => "judged",
        FramesMode::Audit => "judged, nothing is dropped",
    };
    facts(&[
        ("Governed cgroup", scope),
        ("Default", default.to_owned()),
        ("Frames of network devices", frames.to_owned()),
        ("Registries", lines(&policy.registries)),
        ("Exceptions", lines(&policy.exceptions)),
        ("Avoidable permissions", lines(&policy.weaknesses)),
    ])
}

fn checks(part: &Part) -> String {
    let rows = part.checks.iter().map(row);
    table(["Result", "Check", "Found"], rows.collect())
}

fn row(check: &Check) -> [Cell; 3] {
    let result = match check.outcome {
        CheckOutcome::Ok => Cell::toned("✓ as required", Tone::Good),
        CheckOutcome::Failed => Cell::toned("✗ failed", Tone::Bad),
        CheckOutcome::Unknown => Cell::toned("? not tried", Tone::Unknown),
    };
    let found = Cell::remarked(&check.message, &check.fix);
    [result, Cell::new(&check.id), found]
}

fn at(time: Timestamp) -> String {
    format!("{time:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prove::report::tests::report;

    #[test]
    fn every_check_and_unit_is_on_the_page() {
        let report = report();
        let page = page(&report);
        let checks = report.parts.iter().flat_map(|part| &part.checks);
        for check in checks {
            assert!(page.contains(&check.id), "{}", check.id);
        }
        assert!(page.contains("Enforcement is not proved"));
        assert!(page.contains("agent.service") && page.contains("<svg"));
    }
}
