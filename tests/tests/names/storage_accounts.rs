//! Storage accounts behind one address: an exception allows one of them for its cgroup.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use lab::{
    Lab,
    fixtures::{enforcer::Enforcer, process::run_with_input, process_env::ProcessEnv},
    servers::azurite::{CONTOSO_HOST, CONTOSO_ZONE_HOST, HOST},
    topology::capture::Capture,
};

use crate::{MINUTE, REGIONS};

/// Timeout of curl in seconds; an allowed request needs a tenth of it.
const BRIEFLY: &str = "3";
/// Time limit for the log entry of an answered request.
const LOGGED_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn an_exception_allows_one_account_of_a_shared_address_for_its_cgroup_only() -> Result<()> {
    check_exception_for(CONTOSO_HOST)
}

#[test]
fn an_exception_for_an_account_in_an_azure_dns_zone_works_alike() -> Result<()> {
    check_exception_for(CONTOSO_ZONE_HOST)
}

fn check_exception_for(account: &str) -> Result<()> {
    let lab = Lab::start()?;
    let agent = lab.device_cgroup().child("agent")?;
    let sibling = lab.device_cgroup().child("sibling")?;
    let (agent, sibling) = (lab.device_in(&agent), lab.device_in(&sibling));
    let capture = Capture::watch(lab.network())?;
    for family in ["--ipv4", "--ipv6"] {
        for host in [account, HOST] {
            assert!(uploads(&lab, &agent, family, host)?, "without enforcement");
        }
    }

    let exception = format!(
        "[[exception]]\nreason = \"a test\"\ncgroup = {:?}\nnames = [{account:?}]\nuntil = 2100-01-01T00:00:00Z\n",
        lab.device_cgroup().path().join("agent")
    );
    let enforcer = Enforcer::start(&lab, &REGIONS, &exception)?;
    enforcer.await_api_status("the exception's name has addresses", MINUTE, |status| {
        let mut names = status.exceptions.iter().flat_map(|each| &each.names);
        names.any(|name| name.addresses.len() == 2)
    })?;
    capture.take()?;
    for family in ["--ipv4", "--ipv6"] {
        let arrives = uploads(&lab, &agent, family, account)?;
        assert!(arrives, "{}", enforcer.log());
        capture.take()?;
        assert!(!uploads(&lab, &agent, family, HOST)?, "another account");
        assert!(!uploads(&lab, &sibling, family, account)?, "another cgroup");
        assert!(
            !uploads(&lab, &lab.device(), family, account)?,
            "the cgroup above"
        );
        let mut flows = capture.take()?.into_iter();
        assert!(flows.all(|flow| flow.bytes.is_empty()), "data leaked");
    }
    Ok(())
}

/// Whether an upload arrives at the account's front end, regardless of its HTTP status.
fn uploads(lab: &Lab, env: &ProcessEnv, family: &str, host: &str) -> Result<bool> {
    let arrived = || {
        let requests = lab.requests()?;
        anyhow::Ok(
            requests
                .iter()
                .filter(|request| request.sni == host)
                .count(),
        )
    };
    let before = arrived()?;
    let mut curl = env.command("curl");
    curl.args([
        "--disable",
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        family,
    ])
    .args([
        "--max-time",
        BRIEFLY,
        "--request",
        "PUT",
        "--data-binary",
        "@-",
    ])
    .args(["--header", "x-ms-blob-type: BlockBlob", "--cacert"])
    .arg(lab.certificates().ca())
    .args(["--output", "/dev/null", "--write-out", "%{http_code}"])
    .arg(format!(
        "https://{host}/loot/{}",
        family.trim_start_matches('-')
    ));
    let output = run_with_input(curl, "what the device knows", MINUTE)?;
    let answered = output.status.success();
    // The front end writes its log after the answer.
    let deadline = Instant::now() + LOGGED_WITHIN;
    while answered && arrived()? == before && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(20));
    }
    let is_logged = arrived()? > before;
    anyhow::ensure!(answered == is_logged, "{output:?}");
    output.stdout.trim().parse::<u16>().context("no status")?;
    Ok(answered)
}
