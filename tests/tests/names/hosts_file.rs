//! Front ends of the registry in the hosts file that DNS does not return.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use lab::{
    CONTOSO_LOGIN, Lab, MALLORY_LOGIN,
    fixtures::{enforcer::Enforcer, process_env::ProcessEnv},
};
use serde_json::Value;

use crate::REGIONS;

/// Front ends in eastus without a name in the lab's DNS.
const PINNED: [&str; 2] = ["198.51.100.13", "198.51.100.14"];
/// The bad actor's account.
const STORAGE: &str = "203.0.113.66";

/// The device's `/etc`, as the daemon and clients see it.
struct Etc(PathBuf);

impl Etc {
    fn new(lab: &Lab, pinned: &str) -> Result<Self> {
        let dir = lab.dir().join("etc");
        fs::create_dir(&dir)?;
        fs::copy(
            lab.dir().join("device-resolv.conf"),
            dir.join("resolv.conf"),
        )?;
        let etc = Self(dir);
        etc.pin(pinned)?;
        Ok(etc)
    }

    /// Maps contoso to this address in line 3.
    fn pin(&self, address: &str) -> Result<()> {
        let text = format!("127.0.0.1 localhost\n# by hand\n{address} {CONTOSO_LOGIN}\n");
        let next = self.0.join("hosts.new");
        fs::write(&next, text)?;
        fs::rename(next, self.hosts()).context("replace the hosts file")
    }

    fn hosts(&self) -> PathBuf {
        self.0.join("hosts")
    }

    /// Returns the device's environment with this hosts file.
    fn device(&self, lab: &Lab) -> Result<ProcessEnv> {
        lab.device()
            .with_bind(&self.hosts(), Path::new("/etc/hosts"))
    }
}

fn enforcer(lab: &Lab, etc: &Etc) -> Result<Enforcer> {
    let mut enforcer = Enforcer::prepare(lab, &REGIONS, "")?;
    enforcer.bind_mount(&etc.0, Path::new("/etc"))?;
    enforcer.run()?;
    enforcer.await_names()?;
    Ok(enforcer)
}

/// Whether `status` lists this address of contoso as one from the hosts file.
fn is_pinned(status: &Value, address: &str) -> bool {
    let names = status["registries"][0]["names"].as_array();
    let mut addresses = names.into_iter().flatten().flat_map(|name| {
        let addresses = name["addresses"].as_array();
        addresses.into_iter().flatten()
    });
    addresses.any(|found| found["address"] == address && found["hosts-line"] == 3)
}

#[test]
fn a_pull_from_a_front_end_in_the_hosts_file_works_and_follows_its_changes() -> Result<()> {
    let lab = Lab::start()?;
    let etc = Etc::new(&lab, PINNED[0])?;
    let enforcer = enforcer(&lab, &etc)?;
    let pull_at = |address: &str| -> Result<()> {
        let earlier = lab.requests()?.len();
        let pulled = lab.pull_from(CONTOSO_LOGIN, &etc.device(&lab)?);
        pulled.with_context(|| format!("{address}\n{}", enforcer.log()))?;
        let requests = lab.requests()?;
        let mut logins = requests[earlier..]
            .iter()
            .filter(|request| request.host == CONTOSO_LOGIN);
        assert!(logins.all(|request| request.address.to_string() == address));
        Ok(())
    };
    pull_at(PINNED[0])?;
    etc.pin(PINNED[1])?;
    enforcer.await_status("the other address", |status| is_pinned(status, PINNED[1]))?;
    pull_at(PINNED[1])?;

    let output = enforcer.cli(["explain", PINNED[1], "--sni", CONTOSO_LOGIN])?;
    let line = format!("/etc/hosts line 3 maps {CONTOSO_LOGIN} to {}", PINNED[1]);
    assert!(
        output.status.success() && output.stdout.contains(&line),
        "{output:?}"
    );
    let other_tenant = enforcer.cli(["explain", PINNED[1], "--sni", MALLORY_LOGIN])?;
    assert_eq!(other_tenant.code(), Some(1), "{other_tenant:?}");
    Ok(())
}

#[test]
fn an_address_of_another_service_in_the_hosts_file_is_rejected_with_its_line() -> Result<()> {
    let lab = Lab::start()?;
    let etc = Etc::new(&lab, STORAGE)?;
    let enforcer = enforcer(&lab, &etc)?;
    let pulled = lab.pull_from(CONTOSO_LOGIN, &etc.device(&lab)?);
    assert!(pulled.is_err(), "{pulled:?}");
    let named = format!("/etc/hosts line 3: the address {STORAGE} of {CONTOSO_LOGIN} is refused");
    let is_reported = |status: &Value| {
        let alarms = status["alarms"].as_array();
        let mut alarms = alarms.into_iter().flatten();
        alarms.any(|alarm| {
            let message = alarm["message"].as_str().unwrap_or_default();
            alarm["kind"] == "hosts-file" && message.starts_with(&named)
        })
    };
    enforcer.await_status("the alarm", is_reported)?;
    etc.pin(PINNED[0])?;
    enforcer.await_status("the end of the alarm", |status| {
        is_pinned(status, PINNED[0]) && !is_reported(status)
    })?;
    lab.pull_from(CONTOSO_LOGIN, &etc.device(&lab)?)?;
    Ok(())
}
