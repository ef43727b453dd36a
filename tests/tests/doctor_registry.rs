//! `doctor --registry` for registries with and without dedicated data endpoints.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use lab::{
    CONTOSO_LOGIN, EVIL_LOGIN, Lab,
    fixtures::{
        enforcer::{Enforcer, binary},
        process::{Finished, run_with_input},
        process_env::ProcessEnv,
    },
    servers::{
        registry::IMAGE,
        token_registry::{DEDICATED_LOGIN, PASSWORD, SHARED_ACCOUNT, SHARED_LOGIN, USER},
    },
};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);
const DATA: &str = "fabrikam.eastus.data.azurecr.io";
const OTHER_DATA: &str = "fabrikam.westus.data.azurecr.io";
const DEDICATED: &str =
    "[[registry]]\nlogin-server = \"fabrikam.azurecr.io\"\nregions = [\"eastus\", \"westus\"]\n";

struct Fixture {
    enforcer: Enforcer,
    lab: Lab,
}

impl Fixture {
    /// Starts a lab with the token registries in DNS; the configuration of the daemon, which is not started, ends with `more`.
    fn prepare(more: &str) -> Result<Self> {
        let lab = Lab::start()?;
        for (name, target) in [
            (DEDICATED_LOGIN, "eus-3.fe.azcr.io"),
            (SHARED_LOGIN, "eus-3.fe.azcr.io"),
            (DATA, "eus-0.data.azcr.io"),
            (OTHER_DATA, "wus-0.data.azcr.io"),
        ] {
            lab.dns().set_alias(name, target, 300)?;
        }
        let enforcer = Enforcer::prepare(&lab, &["eastus"], more)?;
        Ok(Self { enforcer, lab })
    }

    /// `egress-enforcer doctor ARGUMENTS` in `env`, with `input` on its standard input.
    fn doctor(&self, env: &ProcessEnv, arguments: &str, input: &str) -> Result<Finished> {
        let mut command = env.command(binary()?);
        command.arg("doctor").args(arguments.split_whitespace());
        command.arg("--config").arg(self.enforcer.config());
        command.env("SSL_CERT_FILE", self.lab.certificates().ca());
        run_with_input(command, input, LIMIT)
    }

    /// As [`Fixture::doctor`] on the device with `--json`: the exit code and the report.
    fn report(&self, arguments: &str, input: &str) -> Result<(Option<i32>, Value)> {
        let arguments = format!("{arguments} --json");
        let finished = self.doctor(&self.lab.device(), &arguments, input)?;
        let report =
            serde_json::from_str(&finished.stdout).with_context(|| format!("{finished:?}"))?;
        ensure!(!contains_a_secret(&finished), "{finished:?}");
        Ok((finished.code(), report))
    }
}

fn contains_a_secret(finished: &Finished) -> bool {
    [PASSWORD, "a-token.of-the.lab", "a-signature"]
        .iter()
        .any(|secret| finished.stdout.contains(secret) || finished.stderr.contains(secret))
}

fn finding<'a>(report: &'a Value, what: &str) -> Result<&'a Value> {
    let mut findings = report["checks"].as_array().into_iter().flatten();
    findings
        .find(|finding| finding["id"] == what)
        .with_context(|| format!("no finding on {what}: {report:#}"))
}

fn text<'a>(finding: &'a Value, field: &str) -> &'a str {
    finding[field].as_str().unwrap_or_default()
}

#[test]
fn a_registry_with_dedicated_data_endpoints_passes_during_enforcement() -> Result<()> {
    let mut fixture = Fixture::prepare(DEDICATED)?;
    fixture.enforcer.run()?;
    fixture.enforcer.await_names()?;
    let pull = format!("--registry fabrikam --image {IMAGE} --username {USER} --password-stdin");
    let (code, report) = fixture.report(&pull, &format!("{PASSWORD}\n"))?;
    assert_eq!(
        (code, report["outcome"].as_str()),
        (Some(0), Some("ok")),
        "{report:#}"
    );
    assert!(
        text(finding(&report, "blobs")?, "message").contains(DATA),
        "{report:#}"
    );
    assert_eq!(finding(&report, "data endpoint")?["outcome"], "ok");
    let name = finding(&report, &format!("name {DEDICATED_LOGIN}"))?;
    assert!(
        text(name, "message").contains("198.51.100.10 in AzureContainerRegistry"),
        "{name}"
    );
    let served = fixture
        .lab
        .requests()?
        .into_iter()
        .any(|request| request.host == DATA && request.status == 206);
    assert!(served, "the data endpoint did not serve the first byte");
    let reached = format!("{OTHER_DATA} is reachable");
    assert!(
        report["checks"].to_string().contains(&reached),
        "{report:#}"
    );
    assert!(fixture.wrong_credentials_are_reported(&pull)?);
    assert!(fixture.without_an_image_the_blobs_are_unknown()?);
    assert!(fixture.a_denied_registry_is_reported_with_explain()?);
    Ok(())
}

impl Fixture {
    fn wrong_credentials_are_reported(&self, pull: &str) -> Result<bool> {
        let (code, report) = self.report(pull, "something else")?;
        let token = finding(&report, "token")?;
        ensure!(
            code == Some(1) && token["outcome"] == "failed",
            "{report:#}"
        );
        Ok(text(token, "message").contains("these credentials are refused"))
    }

    fn without_an_image_the_blobs_are_unknown(&self) -> Result<bool> {
        let (code, report) = self.report("--registry fabrikam", "")?;
        ensure!(code == Some(0), "{report:#}");
        let blobs = finding(&report, "blobs")?;
        ensure!(blobs["outcome"] == "unknown", "{blobs}");
        Ok(text(blobs, "fix").contains("--image REPO"))
    }

    fn a_denied_registry_is_reported_with_explain(&self) -> Result<bool> {
        let (code, report) = self.report(&format!("--registry {EVIL_LOGIN}"), "")?;
        let login = finding(&report, "login server")?;
        ensure!(
            code == Some(1) && login["outcome"] == "failed",
            "{report:#}"
        );
        ensure!(text(login, "message").contains("EPERM"), "{login}");
        Ok(text(login, "fix").contains("egress-enforcer explain evil.azurecr.io"))
    }
}

#[test]
fn a_registry_with_shared_storage_fails_and_the_fix_lists_steps_in_order() -> Result<()> {
    let fixture = Fixture::prepare("")?;
    let shown = fixture.doctor(
        &fixture.lab.device(),
        &format!("--registry northwind --image {SHARED_LOGIN}/{IMAGE}"),
        "",
    )?;
    assert_eq!(shown.code(), Some(1), "{shown:?}");
    assert!(!contains_a_secret(&shown), "{shown:?}");
    assert!(
        shown
            .stdout
            .contains(&format!("shared storage account {SHARED_ACCOUNT}")),
        "{}",
        shown.stdout
    );
    let steps = [
        "allow northwind.REGION.data.azurecr.io",
        "regions = [\"eastus\"]",
        "az acr update --name northwind --data-endpoint-enabled",
        "az acr show-endpoints --name northwind >",
        "egress-enforcer doctor --registry northwind.azurecr.io --image app:1",
    ];
    let advice = shown.stdout.split_once("✗ failed    blobs");
    let (_, advice) = advice.context("no advice")?;
    let at = steps.map(|step| advice.find(step));
    assert!(
        at.iter().all(Option::is_some) && at.is_sorted(),
        "{at:?}\n{advice}"
    );
    let is_requested = fixture
        .lab
        .requests()?
        .into_iter()
        .any(|request| request.host == SHARED_ACCOUNT);
    assert!(!is_requested, "a request reached the storage account");
    Ok(())
}

#[test]
fn a_registry_without_token_authentication_is_not_an_azure_registry() -> Result<()> {
    let fixture = Fixture::prepare("")?;
    let (code, report) =
        fixture.report(&format!("--registry {CONTOSO_LOGIN} --image {IMAGE}"), "")?;
    assert_eq!(code, Some(1));
    assert_eq!(
        finding(&report, "login server")?["outcome"],
        "failed",
        "{report:#}"
    );
    assert_eq!(
        finding(&report, "data endpoint")?["outcome"],
        "ok",
        "{report:#}"
    );
    Ok(())
}

#[test]
fn invalid_arguments_are_rejected_with_one_line() -> Result<()> {
    let fixture = Fixture::prepare("")?;
    let password = fixture.lab.dir().join("password");
    fs::write(&password, "two\nlines")?;
    let file = format!(
        "--registry contoso --image app --username u --password-file {}",
        password.display()
    );
    for (arguments, message) in [
        ("--registry registry.example.org", "no login server"),
        (
            "--registry contoso --image app --username u --password-file /nonexistent",
            "/nonexistent",
        ),
        (&*file, "not one line"),
    ] {
        let finished = fixture.doctor(&fixture.lab.device(), arguments, "")?;
        assert!(
            finished.refusal()?.contains(message),
            "{arguments}: {finished:?}"
        );
    }
    Ok(())
}
