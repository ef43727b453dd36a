//! Reports for people and for developers.

use std::fs;

use anyhow::{Context, Result};
use lab::{Lab, fixtures::enforcer::Enforcer};

#[test]
fn a_report_says_what_was_refused_where_to_and_what_ages() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    enforcer.await_names()?;
    assert!(!lab.exfiltrate_curl(&lab.device())?.ok);
    let page = lab.dir().join("report.html");
    let html = page.to_str().context("a path")?;
    for period in ["day", "week"] {
        let report = enforcer.json(["report", "--period", period, "--html", html])?;
        assert_eq!(
            report["history"]["units"][0]["reason"], "storage",
            "{report:#}"
        );
        assert_eq!(report["destinations"][0]["destination"], "203.0.113.66:443");
        let ages = report["ages"].as_array().context("no ages")?;
        for what in ["service tags", "contoso.azurecr.io"] {
            assert!(
                ages.iter().any(|age| age["what"] == what),
                "{what}: {report:#}"
            );
        }
        let page = fs::read_to_string(&page)?;
        for words in ["203.0.113.66:443", "<svg", "contoso.azurecr.io"] {
            assert!(page.contains(words), "{words}");
        }
    }
    let text = enforcer.cli(["report"])?.success()?;
    assert!(
        text.contains("where to") && text.contains("203.0.113.66:443"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_bug_report_has_everything_but_secrets() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let tags = format!("service-tags = {:?}", lab.network().service_tags());
    let secret = "service-tags-url = \"https://mirror.example/tags.json?sig=top-secret\"";
    enforcer.edit(&tags, secret)?;
    let before = enforcer.cli(["bugreport"])?.success()?;
    assert!(!before.contains("top-secret"), "{before}");
    enforcer.edit(secret, &tags)?;
    let mut enforcer = enforcer;
    enforcer.run()?;
    enforcer.await_names()?;
    let report: serde_json::Value = serde_json::from_str(&enforcer.cli(["bugreport"])?.success()?)?;
    for part in ["plan", "doctor", "status", "events", "metrics"] {
        assert!(!report[part].is_null(), "{part}: {report:#}");
        assert!(report[part]["error"].is_null(), "{part}: {report:#}");
    }
    assert_eq!(report["status"]["mode"], "enforce");
    Ok(())
}
