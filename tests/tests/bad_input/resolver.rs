//! A resolver that fails or lies: the last good addresses stay allowed, and an alarm is raised.

use std::{fs, net::IpAddr, path::Path, thread, time::Duration};

use anyhow::{Result, ensure};
use enforcer::control::{NameStatus, Status};
use lab::{
    CONTOSO_LOGIN, Lab,
    fixtures::{enforcer::Enforcer, process_env::ProcessEnv},
    servers::dns::Fault,
};

use crate::{MINUTE, connects, ip};

/// The login server of a fresh lab.
const LOGIN: [&str; 2] = ["198.51.100.10", "2001:db8:acc::10"];
/// The data endpoint of a fresh lab in eastus.
const DATA: &str = "198.51.100.130";
/// The bad actor's account.
const ACCOUNT: &str = "203.0.113.66";
/// TTL in seconds; short, so that the daemon resolves soon.
const TTL: u32 = 1;
/// Maximum number of addresses per name.
const MAX_ADDRESSES: usize = 256;

#[test]
fn a_silent_failing_or_lying_resolver_does_not_change_the_last_good_addresses() -> Result<()> {
    let lab = Lab::start()?;
    lab.dns()
        .set_addresses(CONTOSO_LOGIN, &LOGIN.map(ip), TTL)?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    let knows_all = |status: &Status| {
        status.registries[0]
            .names
            .iter()
            .all(|name| !name.addresses.is_empty())
    };
    enforcer.await_api_status("all names resolve", MINUTE, knows_all)?;
    let device = with_known_names(&lab)?;
    for (fault, kind, says) in [
        (Fault::Servfail, "name-failing", "addresses stay allowed"),
        (Fault::Nxdomain, "name-failing", "addresses stay allowed"),
        (Fault::Silent, "name-failing", "addresses stay allowed"),
        (
            Fault::Lie(ip(ACCOUNT)),
            "answer-refused",
            "the answer 203.0.113.66 is refused: it lies in Storage",
        ),
    ] {
        lab.dns().fail_mode(fault)?;
        let what = format!("an alarm about {fault:?}");
        let status =
            enforcer.await_api_status(&what, MINUTE, |status| alarm(status, kind).is_some())?;
        let message = alarm(&status, kind).unwrap_or_default();
        assert!(
            message.contains(CONTOSO_LOGIN) && message.contains(says),
            "{message}"
        );
        assert_eq!(addresses(&status), LOGIN.map(ip), "{fault:?}");
        assert!(!connects(&device, ACCOUNT)?, "{fault:?}");
        lab.pull_from(CONTOSO_LOGIN, &device)?;
        lab.dns().clear_faults();
        enforcer.await_api_status("the names resolve again", MINUTE, |status| {
            alarm(status, "name-failing").is_none()
        })?;
    }
    let status = enforcer.api_status()?;
    let refused = &login(&status).refused;
    assert!(
        refused.iter().any(|refusal| refusal.starts_with(ACCOUNT)),
        "{refused:?}"
    );
    Ok(())
}

/// Seen in the field: a resolver that answers A queries over TCP only, and AAAA queries never. The kernel does not read answers over TCP, so all
/// addresses come from the daemon's own queries.
#[test]
fn addresses_of_one_family_are_allowed_before_the_query_for_the_other_times_out() -> Result<()> {
    let lab = Lab::start()?;
    lab.dns()
        .set_addresses(CONTOSO_LOGIN, &LOGIN.map(ip), TTL)?;
    lab.dns().fail_mode(Fault::TruncateWithoutAaaa)?;
    let mut enforcer = Enforcer::prepare(&lab, &[], "")?;
    let queries = || lab.dns().query_times().len();
    let until_allowed = |enforcer: &Enforcer, address: IpAddr| -> Result<usize> {
        loop {
            let before = queries();
            if addresses(&enforcer.api_status()?).contains(&address) {
                return Ok(before);
            }
            ensure!(before < 40, "{address} is not allowed: {}", enforcer.log());
            thread::sleep(Duration::from_millis(5));
        }
    };
    enforcer.run()?;
    // Both families of the only name, and the A query again for each second of its TTL; 13 until the AAAA query times out.
    let queries_before = until_allowed(&enforcer, ip(LOGIN[0]))?;
    println!("{queries_before} queries until the name was allowed");
    assert!(connects(&lab.device(), LOGIN[0])?);
    let next = ip("198.51.100.11");
    lab.dns().set_addresses(CONTOSO_LOGIN, &[next], TTL)?;
    let before = queries();
    let more = until_allowed(&enforcer, next)? - before;
    println!("{more} more until its next address was");
    assert!(connects(&lab.device(), "198.51.100.11")?);
    assert!(
        queries_before <= 6 && more <= 6,
        "{queries_before} and {more} queries"
    );
    assert_eq!(alarm(&enforcer.api_status()?, "name-failing"), None);
    Ok(())
}

#[test]
fn the_daemon_waits_for_a_slow_resolver() -> Result<()> {
    let lab = Lab::start()?;
    lab.dns()
        .set_addresses(CONTOSO_LOGIN, &LOGIN.map(ip), TTL)?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    lab.pull()?;
    lab.dns()
        .fail_mode(Fault::Slow(Duration::from_millis(1500)))?;
    let next = ip("198.51.100.11");
    lab.dns().set_addresses(CONTOSO_LOGIN, &[next], TTL)?;
    let status = enforcer.await_api_status("the new address is allowed", MINUTE, |status| {
        addresses(status).contains(&next)
    })?;
    assert_eq!(alarm(&status, "name-failing"), None);
    assert!(connects(&lab.device(), "198.51.100.11")?);
    assert!(connects(&lab.device(), LOGIN[0])?, "the old one lingers");
    Ok(())
}

#[test]
fn a_name_with_300_addresses_gets_256_and_an_alarm() -> Result<()> {
    let lab = Lab::start()?;
    let many: Vec<IpAddr> = (0x1000..0x1000 + 300)
        .map(|last| ip(&format!("2001:db8:acc::{last:x}")))
        .collect();
    lab.dns().set_addresses(CONTOSO_LOGIN, &many, TTL)?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    let status = enforcer.await_api_status("the alarm", MINUTE, |status| {
        alarm(status, "answer-refused").is_some()
    })?;
    assert_eq!(login(&status).addresses.len(), MAX_ADDRESSES);
    let message = alarm(&status, "answer-refused").unwrap_or_default();
    assert!(
        message.contains(CONTOSO_LOGIN) && message.contains("more than 256 addresses"),
        "{message}"
    );
    let (allowed, denied): (Vec<IpAddr>, Vec<IpAddr>) = many
        .iter()
        .partition(|address| addresses(&status).contains(address));
    assert!(connects(&lab.device(), &allowed[0].to_string())?);
    assert!(!connects(&lab.device(), &denied[0].to_string())?);
    lab.pull()?;
    Ok(())
}

/// Returns the device's environment with contoso's names in its hosts file, so that its clients do not use the resolver.
fn with_known_names(lab: &Lab) -> Result<ProcessEnv> {
    let hosts = lab.dir().join("known-hosts");
    let [login, _] = LOGIN;
    fs::write(
        &hosts,
        format!("{login} {CONTOSO_LOGIN}\n{DATA} contoso.eastus.data.azurecr.io\n"),
    )?;
    lab.device().with_bind(&hosts, Path::new("/etc/hosts"))
}

/// Returns the message of the first alarm of `kind`.
fn alarm<'a>(status: &'a Status, kind: &str) -> Option<&'a str> {
    let mut alarms = status.alarms.iter();
    alarms
        .find(|alarm| alarm.kind == kind && alarm.message.contains(CONTOSO_LOGIN))
        .map(|alarm| alarm.message.as_str())
}

fn login(status: &Status) -> &NameStatus {
    &status.registries[0].names[0]
}

fn addresses(status: &Status) -> Vec<IpAddr> {
    login(status)
        .addresses
        .iter()
        .map(|one| one.address)
        .collect()
}
