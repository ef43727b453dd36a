//! First messages of connections to allowed addresses: verdicts, events, and `explain`.

use anyhow::Result;
use enforcer::sys::cgroup_root;
use lab::{
    CONTOSO_LOGIN, Lab, MALLORY_LOGIN,
    clients::tls_client::{Attempt, Exchange, Payload},
    fixtures::{enforcer::Enforcer, process::run},
    topology::capture::Capture,
};
use test_data::client_hello::client_hello;

use crate::{BRIEFLY, LOGIN, LONG, MINUTE, REGIONS, attempt_all, await_event, ip};

/// Another name that is not allowed, at the same address as mallory's login server.
const MALLORY_DATA: &str = "mallory.eastus.data.azurecr.io";
/// An allowed name with other addresses.
const DATA_ENDPOINT: &str = "contoso.eastus.data.azurecr.io";

#[test]
fn a_first_message_without_a_name_of_the_address_is_denied_and_reported_with_its_name() -> Result<()>
{
    let lab = Lab::start()?;
    let capture = Capture::watch(lab.network())?;
    let messages = first_messages();
    let all = |patience| {
        let each = |message: &FirstMessage| {
            vec![
                at(0, &message.bytes, patience),
                at(1, &message.bytes, patience),
            ]
        };
        attempt_all(&lab, messages.iter().flat_map(each).collect())
    };
    all(BRIEFLY)?;
    let baseline = capture.take()?;
    assert_eq!(baseline.len(), 2 * messages.len());
    assert!(
        baseline.iter().all(|flow| !flow.bytes.is_empty()),
        "{baseline:?}"
    );

    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    let allowed = attempt_all(&lab, vec![at(0, &client_hello(CONTOSO_LOGIN), LONG)])?;
    assert!(allowed[0].answer.is_some(), "{allowed:?}");
    capture.take()?;
    let refused = all(BRIEFLY)?;
    let passed: Vec<&Exchange> = refused
        .iter()
        .filter(|exchange| exchange.answer.is_some())
        .collect();
    assert!(passed.is_empty(), "{passed:?}");
    curl_without_a_name(&lab)?;
    let flows = capture.take()?;
    assert!(flows.len() > 2 * messages.len());
    assert!(flows.iter().all(|flow| flow.bytes.is_empty()), "{flows:?}");
    for message in &messages {
        await_event(&enforcer, "deny", message.reason, message.name)?;
    }
    Ok(())
}

#[test]
fn explain_reports_the_reason_of_the_kernel_for_a_server_name() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    let device = lab.device_cgroup().path().display().to_string();
    for (name, reason) in [
        (CONTOSO_LOGIN, "allowed-name"),
        ("CONTOSO.azurecr.io", "allowed-name"),
        (MALLORY_LOGIN, "server-name-unknown"),
        (DATA_ENDPOINT, "server-name-elsewhere"),
        (LOGIN[0], "server-name-address"),
        (LOGIN[1], "server-name-address"),
        ("", "no-server-name"),
        ("contoso azurecr.io", "hello-unreadable"),
    ] {
        for address in LOGIN {
            let asked = ["explain", address, "--sni", name, "--cgroup", &device];
            for asked in [&asked[..4], &asked] {
                let output = enforcer.json(asked)?;
                assert_eq!(
                    output["answers"][0]["reason"], reason,
                    "{asked:?}: {output:#}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn explain_of_a_name_reports_the_verdict_for_a_client_of_that_name() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    let root = cgroup_root()?;
    let device = lab.device_cgroup().path();
    let below_root = format!("/{}", device.strip_prefix(root)?.display());
    for (name, reason, exit) in [
        (CONTOSO_LOGIN, "allowed-name", 0),
        (MALLORY_LOGIN, "server-name-unknown", 1),
    ] {
        let reached = curl(&lab, &format!("https://{name}/v2/"))? == Some(0);
        assert_eq!(reached, exit == 0, "{name}");
        let (port, url) = (format!("{name}:443"), format!("https://{name}/v2/"));
        let whose: [&[&str]; 3] = [
            &[],
            &["--cgroup", &device.display().to_string()],
            &["--cgroup", &below_root],
        ];
        for asked in [name, &port, &url] {
            for whose in whose {
                let asked = [&["explain", asked], whose].concat();
                let output = enforcer.cli(&asked)?;
                assert_eq!(output.code(), Some(exit), "{asked:?}: {output:?}");
                let output = enforcer.json(&asked)?;
                assert_eq!(
                    output["answers"][0]["reason"], reason,
                    "{asked:?}: {output:#}"
                );
            }
        }
    }
    let output = enforcer.cli(["explain", MALLORY_LOGIN])?.stdout;
    for line in [
        "[[registry]]",
        &format!("login-server = \"{MALLORY_LOGIN}\""),
    ] {
        assert!(output.contains(line), "{output}");
    }
    let other = enforcer.json(["explain", CONTOSO_LOGIN, "--sni", MALLORY_LOGIN])?;
    assert_eq!(other["answers"][0]["reason"], "server-name-unknown");
    let address = enforcer.cli(["explain", &format!("[{}]:443", LOGIN[1])])?;
    assert_eq!(address.code(), Some(0), "its SYN is allowed: {address:?}");
    Ok(())
}

/// A first message that is denied.
pub(crate) struct FirstMessage {
    pub(crate) bytes: Vec<u8>,
    pub(crate) reason: &'static str,
    pub(crate) name: Option<&'static str>,
}

pub(crate) fn first_messages() -> Vec<FirstMessage> {
    let message = |bytes, reason, name| FirstMessage {
        bytes,
        reason,
        name,
    };
    let mut broken = client_hello(CONTOSO_LOGIN);
    // A message length of one byte more than the record.
    broken[8] += 1;
    vec![
        message(client_hello(""), "no-server-name", None),
        message(b"GET / HTTP/1.0\r\n\r\n".to_vec(), "not-tls", None),
        message(
            client_hello(MALLORY_LOGIN),
            "server-name-unknown",
            Some(MALLORY_LOGIN),
        ),
        message(
            client_hello(MALLORY_DATA),
            "server-name-unknown",
            Some(MALLORY_DATA),
        ),
        message(
            client_hello(LOGIN[0]),
            "server-name-address",
            Some(LOGIN[0]),
        ),
        message(
            client_hello(DATA_ENDPOINT),
            "server-name-elsewhere",
            Some(DATA_ENDPOINT),
        ),
        message(broken, "hello-unreadable", None),
    ]
}

pub(crate) fn at(family: usize, bytes: &[u8], patience: u64) -> Attempt {
    Attempt {
        to: (ip(LOGIN[family]), 443).into(),
        payload: Payload::Bytes(bytes.to_vec()),
        cuts: Vec::new(),
        patience,
    }
}

/// Runs curl with an address in the URL, for which it sends no server name (RFC 6066, section 3).
fn curl_without_a_name(lab: &Lab) -> Result<()> {
    let code = curl(lab, &format!("https://{}/v2/", LOGIN[0]))?;
    // curl(1): the operation timed out.
    anyhow::ensure!(code == Some(28), "{code:?}");
    Ok(())
}

/// Runs curl on the device and returns its exit code.
fn curl(lab: &Lab, url: &str) -> Result<Option<i32>> {
    let mut curl = lab.device().command("curl");
    curl.args(["--disable", "--silent", "--insecure", "--noproxy", "*"]);
    curl.args(["--max-time", "1", url]);
    Ok(run(curl, MINUTE)?.code())
}
