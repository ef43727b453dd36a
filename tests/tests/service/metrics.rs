//! Debian's Prometheus scrapes the daemon, and its tool checks page and alert rules.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lab::{
    Lab,
    fixtures::{
        enforcer::Enforcer, process::run, process::run_with_input, server::Server,
        tool_cache::ToolCache,
    },
};
use serde_json::Value;

const LISTEN: &str = "127.0.0.1:9469";
const PROMETHEUS: &str = "127.0.0.1:9090";
const LIMIT: Duration = Duration::from_secs(30);
const RULES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../packaging/prometheus/egress-enforcer.rules.yml"
);
const DASHBOARD: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../packaging/grafana/egress-enforcer.json"
);
/// Panels without a sample where nothing fails and no exception ends.
const ABOUT_FAILURES: [&str; 3] = [
    "Alarms by host",
    "Names and sources that fail",
    "Exceptions and their ends",
];
const RULES_TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/prometheus/rules_test.yml");

fn rules() -> Result<PathBuf> {
    Ok(fs::canonicalize(RULES)?)
}

/// Starts Prometheus beside the daemon.
fn prometheus(lab: &Lab) -> Result<Server> {
    let dir = lab.dir().join("prometheus");
    fs::create_dir(&dir)?;
    let config = dir.join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
         rule_files: [\"{}\"]\n\
         scrape_configs: [{{job_name: egress-enforcer, static_configs: [{{targets: [\"{LISTEN}\"]}}]}}]\n",
        rules()?.display()
    );
    fs::write(&config, text)?;
    let mut command = ToolCache::open()?.debian(&lab.device(), "usr/bin/prometheus");
    command
        .arg(format!("--config.file={}", config.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            dir.join("data").display()
        ))
        .arg(format!("--web.listen-address={PROMETHEUS}"));
    Server::start("prometheus", command, &dir)
}

/// The value of the first sample of an expression.
fn value(lab: &Lab, expression: &str) -> Result<Option<f64>> {
    let mut curl = lab.device().command("curl");
    curl.args(["-sSG", "--max-time", "5", "--data-urlencode"])
        .arg(format!("query={expression}"))
        .arg(format!("http://{PROMETHEUS}/api/v1/query"));
    let answered = run(curl, LIMIT)?;
    let answer: Value = match serde_json::from_str(&answered.stdout) {
        Ok(answer) => answer,
        Err(_not_listening) => return Ok(None),
    };
    ensure!(answer["status"] == "success", "{answer}");
    let sample = answer["data"]["result"][0]["value"][1].as_str();
    Ok(sample.map(str::parse).transpose()?)
}

fn await_value(lab: &Lab, expression: &str, expected: impl Fn(f64) -> bool) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let found = value(lab, expression)?;
        if found.is_some_and(&expected) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{expression} is {found:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Runs the queries of the dashboard.
fn check_dashboard(lab: &Lab) -> Result<()> {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(DASHBOARD)?)?;
    let panels = dashboard["panels"].as_array().context("no panels")?;
    ensure!(panels.len() > 8, "{dashboard}");
    for panel in panels {
        let title = panel["title"].as_str().context("no title")?;
        let query = panel["targets"][0]["expr"].as_str().context("no query")?;
        let query = query
            .replace("$instance", ".*")
            .replace("$__rate_interval", "10s");
        if ABOUT_FAILURES.contains(&title) {
            let found = value(lab, &query)?;
            ensure!(found.is_none(), "{title}: {query} is {found:?}");
        } else {
            await_value(lab, &query, |_| true).with_context(|| title.to_owned())?;
        }
    }
    Ok(())
}

fn promtool(lab: &Lab, arguments: &[&str], input: &str) -> Result<String> {
    let mut command = ToolCache::open()?.debian(&lab.device(), "usr/bin/promtool");
    command.args(arguments);
    let checked = run_with_input(command, input, LIMIT)?;
    ensure!(checked.status.success(), "{checked:?}");
    Ok(format!("{}{}", checked.stdout, checked.stderr))
}

#[test]
fn prometheus_scrapes_the_port_that_the_configuration_opens() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    enforcer.await_names()?;
    let _prometheus = prometheus(&lab)?;
    await_value(&lab, "up", |up| up == 0.0)?;

    let text = fs::read_to_string(enforcer.config())?;
    let section = format!("\n[metrics]\nlisten = \"{LISTEN}\"\n");
    enforcer.configure(&format!("{text}{section}"))?;
    enforcer.signal(libc::SIGHUP)?;
    await_value(&lab, "up", |up| up == 1.0)?;
    await_value(&lab, "egress_enforcer_enforcing", |enforcing| {
        enforcing == 1.0
    })?;
    ensure!(!lab.exfiltrate_curl(&lab.device())?.ok, "not refused");
    let denied = "sum(egress_enforcer_denied_attempts_total{reason=\"storage\",verdict=\"deny\"})";
    await_value(&lab, denied, |count| count >= 1.0)?;
    await_value(&lab, "egress_enforcer_info{mode=\"enforce\"}", |info| {
        info == 1.0
    })?;
    let rules = "count(ALERTS) or count({__name__=~\"egress_enforcer_.+\"})";
    await_value(&lab, rules, |count| count > 10.0)?;

    let unit = "sum(egress_enforcer_unit_denials_total{verdict=\"deny\"})";
    await_value(&lab, unit, |count| count >= 1.0)?;
    check_dashboard(&lab)?;

    let page = enforcer.cli(["metrics"])?.success()?;
    promtool(&lab, &["check", "metrics"], &page)?;
    enforcer.configure(&text)?;
    enforcer.signal(libc::SIGHUP)?;
    await_value(&lab, "up", |up| up == 0.0)
}

#[test]
fn every_alert_rule_fires_in_a_test() -> Result<()> {
    let lab = Lab::start()?;
    let rules = rules()?;
    let path = rules.to_str().context("not UTF-8")?;
    promtool(&lab, &["check", "rules", path], "")?;
    let tests = fs::read_to_string(RULES_TESTS)?;
    let names = fs::read_to_string(&rules)?;
    for name in names
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        ensure!(
            tests.contains(&format!("alertname=\"{name}\"")),
            "{name} has no test"
        );
    }
    let copy = lab.dir().join("rules_test.yml");
    fs::write(&copy, tests.replace("RULES", path))?;
    let tested = promtool(&lab, &["test", "rules", path_text(&copy)?], "")?;
    ensure!(tested.contains("SUCCESS"), "{tested}");
    Ok(())
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().context("not UTF-8")
}
