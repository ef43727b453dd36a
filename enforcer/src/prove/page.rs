//! The proof as one HTML page, which needs no script and loads nothing.

mod chart;
mod escaped;

use jiff::Timestamp;

use self::escaped::Escaped;
use super::report::{Part, Report};
use crate::doctor::{Check, CheckOutcome};

const STYLE: &str = include_str!("page/style.css");

/// Returns the page.
pub(crate) fn page(report: &Report) -> String {
    let verdict = match report.outcome {
        CheckOutcome::Ok => ("ok", "Enforcement is proved"),
        CheckOutcome::Failed | CheckOutcome::Unknown => ("failed", "Enforcement is not proved"),
    };
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} on {host}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1 class=\"{class}\">{title}</h1>\n\
         <p>Host <b>{host}</b>, {time}. {ok} checks as required, {failed} failed, {unknown} not tried.</p>\n</header>\n",
        class = verdict.0,
        title = verdict.1,
        host = Escaped(&report.host.name),
        time = at(report.time),
        ok = report.count(CheckOutcome::Ok),
        failed = report.count(CheckOutcome::Failed),
        unknown = report.count(CheckOutcome::Unknown),
    );
    html.push_str(&facts(report));
    for part in &report.parts {
        html.push_str(&table_of(part));
    }
    html.push_str(&history(report));
    html.push_str("</body>\n</html>\n");
    html
}

fn facts(report: &Report) -> String {
    let (host, policy) = (&report.host, &report.policy);
    let daemon = host.daemon.as_deref().unwrap_or("does not run");
    let none = || "none".to_owned();
    let rows = [
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
        (
            "Policy in force",
            policy
                .generation
                .zip(policy.applied)
                .map_or_else(none, |(generation, applied)| {
                    format!("generation {generation}, since {}", at(applied))
                }),
        ),
        (
            "Service tags",
            format!("change number {}", policy.tags_change_number),
        ),
        (
            "SHA-256 of the protected set",
            format!(
                "{} ({} prefixes)",
                policy.protected_sha256, policy.protected_prefixes
            ),
        ),
        (
            "SHA-256 of the kernel programs",
            host.programs_sha256.clone(),
        ),
        (
            "SHA-256 of those of network devices",
            host.device_programs_sha256.clone(),
        ),
    ];
    let mut html = "<section>\n<h2>What was tested</h2>\n<table class=\"facts\">\n".to_owned();
    for (name, value) in rows {
        html.push_str(&format!(
            "<tr><th>{name}</th><td>{}</td></tr>\n",
            Escaped(&value)
        ));
    }
    html.push_str("</table>\n</section>\n");
    html
}

fn table_of(part: &Part) -> String {
    let mut html = format!(
        "<section>\n<h2>What {}</h2>\n<table>\n<tr><th>Result</th><th>Check</th><th>Found</th></tr>\n",
        Escaped(part.title)
    );
    for check in &part.checks {
        html.push_str(&row_of(check));
    }
    html.push_str("</table>\n</section>\n");
    html
}

fn row_of(check: &Check) -> String {
    let (class, word) = match check.outcome {
        CheckOutcome::Ok => ("ok", "✓ as required"),
        CheckOutcome::Failed => ("failed", "✗ failed"),
        CheckOutcome::Unknown => ("unknown", "? not tried"),
    };
    let fix = match check.fix.as_str() {
        "" => String::new(),
        fix => format!("<br><small>{}</small>", Escaped(fix)),
    };
    format!(
        "<tr><td class=\"{class}\">{word}</td><td>{}</td><td>{}{fix}</td></tr>\n",
        Escaped(&check.id),
        Escaped(&check.message),
    )
}

fn history(report: &Report) -> String {
    let history = &report.history;
    let mut html = "<section>\n<h2>Denials of the last day</h2>\n".to_owned();
    if history.units.is_empty() {
        html.push_str("<p>The daemon holds none.</p>\n</section>\n");
        return html;
    }
    html.push_str(&chart::denials(&history.hours, report.time));
    html.push_str(
        "<table>\n<tr><th>Unit</th><th>Reason</th><th>Verdict</th><th>Denials</th><th>Last</th></tr>\n",
    );
    for row in &history.units {
        html.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            Escaped(&row.unit),
            Escaped(&row.reason),
            Escaped(&row.verdict),
            row.count,
            at(row.last),
        ));
    }
    html.push_str("</table>\n<p>As far as the daemon still holds the events.</p>\n</section>\n");
    html
}

fn at(time: Timestamp) -> String {
    format!("{time:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prove::report::tests::report;

    #[test]
    fn the_page_loads_nothing_and_escapes_what_it_was_told() {
        let mut report = report();
        report.parts[0].checks[0].message = "<img src=x onerror=\"a()\">\u{1b}[1m".to_owned();
        let page = page(&report);
        for forbidden in ["<script", "<img", "http://", "https://", "\u{1b}", "url("] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("&lt;img src=x onerror=&quot;a()&quot;&gt;"));
        assert!(page.contains("Enforcement is not proved"));
    }

    #[test]
    fn every_check_and_unit_is_on_the_page() {
        let report = report();
        let page = page(&report);
        let checks = report.parts.iter().flat_map(|part| &part.checks);
        for check in checks {
            assert!(page.contains(&check.id), "{}", check.id);
        }
        assert!(page.contains("agent.service") && page.contains("<svg"));
        for tag in ["section", "table", "tr", "td", "svg", "h2"] {
            let opened = page.matches(&format!("<{tag}>")).count()
                + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }
}
