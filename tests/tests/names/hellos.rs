//! What a connection to an allowed address may begin with, and what is told of the rest.

use anyhow::Result;
use enforcer::kernel::cgroup_root;
use lab::{
    CONTOSO_LOGIN, Lab, MALLORY_LOGIN,
    capture::Capture,
    enforcer::Enforcer,
    hello::client_hello,
    process::run,
    tls_client::{Said, Say, What},
};

use crate::{BRIEFLY, LOGIN, LONG, MINUTE, REGIONS, await_event, ip, say};

/// Another name that is not allowed, refused at the same address as mallory's login server.
const MALLORY_DATA: &str = "mallory.eastus.data.azurecr.io";
/// An allowed name that leads elsewhere.
const DATA_ENDPOINT: &str = "contoso.eastus.data.azurecr.io";

#[test]
fn what_names_no_server_that_leads_there_is_refused_and_told_with_its_name() -> Result<()> {
    let lab = Lab::start()?;
    let capture = Capture::watch(lab.world())?;
    let ways = ways();
    let all = |patience| {
        let each = |way: &Way| vec![at(0, &way.bytes, patience), at(1, &way.bytes, patience)];
        say(&lab, ways.iter().flat_map(each).collect())
    };
    all(BRIEFLY)?;
    let free = capture.take()?;
    assert_eq!(free.len(), 2 * ways.len());
    assert!(free.iter().all(|flow| !flow.bytes.is_empty()), "{free:?}");

    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    let open = say(&lab, vec![at(0, &client_hello(CONTOSO_LOGIN), LONG)])?;
    assert!(open[0].answer.is_some(), "{open:?}");
    capture.take()?;
    let refused = all(BRIEFLY)?;
    let passed: Vec<&Said> = refused
        .iter()
        .filter(|said| said.answer.is_some())
        .collect();
    assert!(passed.is_empty(), "{passed:?}");
    curl_without_a_name(&lab)?;
    let flows = capture.take()?;
    assert!(flows.len() > 2 * ways.len());
    assert!(flows.iter().all(|flow| flow.bytes.is_empty()), "{flows:?}");
    for way in &ways {
        await_event(&enforcer, "deny", way.reason, way.name)?;
    }
    Ok(())
}

#[test]
fn explain_judges_a_server_name_as_the_kernel_does() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    let device = device_as_unit(&lab)?;
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
            let asked = ["explain", address, "--sni", name, "--unit", &device];
            for asked in [&asked[..4], &asked] {
                let said = enforcer.json(asked)?;
                assert_eq!(said["answers"][0]["reason"], reason, "{asked:?}: {said:#}");
            }
        }
    }
    Ok(())
}

/// The device's cgroup as units are named to the command line: the lab's cgroups are in no slice, so by its path below the root.
fn device_as_unit(lab: &Lab) -> Result<String> {
    let root = cgroup_root()?;
    let path = lab.device_cgroup().path().strip_prefix(root)?;
    Ok(path.display().to_string())
}

/// A first message that is to be refused.
pub(crate) struct Way {
    pub(crate) bytes: Vec<u8>,
    pub(crate) reason: &'static str,
    pub(crate) name: Option<&'static str>,
}

pub(crate) fn ways() -> Vec<Way> {
    let way = |bytes, reason, name| Way {
        bytes,
        reason,
        name,
    };
    let mut broken = client_hello(CONTOSO_LOGIN);
    // The handshake message is said to be a byte longer than its record.
    broken[8] += 1;
    vec![
        way(client_hello(""), "no-server-name", None),
        way(b"GET / HTTP/1.0\r\n\r\n".to_vec(), "not-tls", None),
        way(
            client_hello(MALLORY_LOGIN),
            "server-name-unknown",
            Some(MALLORY_LOGIN),
        ),
        way(
            client_hello(MALLORY_DATA),
            "server-name-unknown",
            Some(MALLORY_DATA),
        ),
        way(
            client_hello(LOGIN[0]),
            "server-name-address",
            Some(LOGIN[0]),
        ),
        way(
            client_hello(DATA_ENDPOINT),
            "server-name-elsewhere",
            Some(DATA_ENDPOINT),
        ),
        way(broken, "hello-unreadable", None),
    ]
}

pub(crate) fn at(family: usize, bytes: &[u8], patience: u64) -> Say {
    Say {
        to: (ip(LOGIN[family]), 443).into(),
        what: What::Bytes(bytes.to_vec()),
        cuts: Vec::new(),
        patience,
    }
}

/// curl sends no name to a server that is given by its address (RFC 6066, section 3).
fn curl_without_a_name(lab: &Lab) -> Result<()> {
    let mut curl = lab.device().command("curl");
    curl.args(["--disable", "--silent", "--insecure", "--noproxy", "*"]);
    curl.args(["--max-time", "1", &format!("https://{}/v2/", LOGIN[0])]);
    let said = run(curl, MINUTE)?;
    // curl(1): the operation timed out.
    anyhow::ensure!(said.code() == Some(28), "{said:?}");
    Ok(())
}
