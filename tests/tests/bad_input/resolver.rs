//! A resolver that fails or lies: the last good addresses stay, and it is told.

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
/// Short, so that the daemon soon notices.
const TTL: u32 = 1;
/// How many addresses a name can have.
const MOST: usize = 256;

#[test]
fn a_resolver_that_is_dead_failing_or_lying_leaves_the_last_good_addresses() -> Result<()> {
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
        (Fault::Servfail, "name-failing", "addresses stay open"),
        (Fault::Nxdomain, "name-failing", "addresses stay open"),
        (Fault::Silent, "name-failing", "addresses stay open"),
        (
            Fault::Lie(ip(ACCOUNT)),
            "answer-refused",
            "the answer 203.0.113.66 is refused: it lies in Storage",
        ),
    ] {
        lab.dns().fail_mode(fault)?;
        let what = format!("{fault:?} is told");
        let status =
            enforcer.await_api_status(&what, MINUTE, |status| alarm(status, kind).is_some())?;
        let told = alarm(&status, kind).unwrap_or_default();
        assert!(
            told.contains(CONTOSO_LOGIN) && told.contains(says),
            "{told}"
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
        refused.iter().any(|told| told.starts_with(ACCOUNT)),
        "{refused:?}"
    );
    Ok(())
}

/// Field data: a resolver that answers A over TCP only, and AAAA never. Its answers over TCP are none that the kernel reads, so all of this is
/// by the daemon's own.
#[test]
fn addresses_of_one_family_are_open_before_a_question_for_the_other_is_given_up() -> Result<()> {
    let lab = Lab::start()?;
    lab.dns()
        .set_addresses(CONTOSO_LOGIN, &LOGIN.map(ip), TTL)?;
    lab.dns().fail_mode(Fault::TruncateWithoutAaaa)?;
    let mut enforcer = Enforcer::prepare(&lab, &[], "")?;
    let questions = || lab.dns().query_times().len();
    let until_open = |enforcer: &Enforcer, address: IpAddr| -> Result<usize> {
        loop {
            let before = questions();
            if addresses(&enforcer.api_status()?).contains(&address) {
                return Ok(before);
            }
            ensure!(before < 40, "{address} is not open: {}", enforcer.log());
            thread::sleep(Duration::from_millis(5));
        }
    };
    enforcer.run()?;
    // Both families of the only name, and the A question once more for each second of its time to live; 13 until AAAA is given up.
    let asked = until_open(&enforcer, ip(LOGIN[0]))?;
    println!("{asked} questions until the name was open");
    assert!(connects(&lab.device(), LOGIN[0])?);
    let next = ip("198.51.100.11");
    lab.dns().set_addresses(CONTOSO_LOGIN, &[next], TTL)?;
    let before = questions();
    let more = until_open(&enforcer, next)? - before;
    println!("{more} more until its next address was");
    assert!(connects(&lab.device(), "198.51.100.11")?);
    assert!(asked <= 6 && more <= 6, "{asked} and {more} questions");
    assert_eq!(alarm(&enforcer.api_status()?, "name-failing"), None);
    Ok(())
}

#[test]
fn a_slow_resolver_is_waited_for() -> Result<()> {
    let lab = Lab::start()?;
    lab.dns()
        .set_addresses(CONTOSO_LOGIN, &LOGIN.map(ip), TTL)?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    lab.pull()?;
    lab.dns()
        .fail_mode(Fault::Slow(Duration::from_millis(1500)))?;
    let next = ip("198.51.100.11");
    lab.dns().set_addresses(CONTOSO_LOGIN, &[next], TTL)?;
    let status = enforcer.await_api_status("the new address is open", MINUTE, |status| {
        addresses(status).contains(&next)
    })?;
    assert_eq!(alarm(&status, "name-failing"), None);
    assert!(connects(&lab.device(), "198.51.100.11")?);
    assert!(connects(&lab.device(), LOGIN[0])?, "the old one lingers");
    Ok(())
}

#[test]
fn a_name_with_300_addresses_gets_256_and_that_is_told() -> Result<()> {
    let lab = Lab::start()?;
    let many: Vec<IpAddr> = (0x1000..0x1000 + 300)
        .map(|last| ip(&format!("2001:db8:acc::{last:x}")))
        .collect();
    lab.dns().set_addresses(CONTOSO_LOGIN, &many, TTL)?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    let status = enforcer.await_api_status("it is told", MINUTE, |status| {
        alarm(status, "answer-refused").is_some()
    })?;
    assert_eq!(login(&status).addresses.len(), MOST);
    let told = alarm(&status, "answer-refused").unwrap_or_default();
    assert!(
        told.contains(CONTOSO_LOGIN) && told.contains("more than 256 addresses"),
        "{told}"
    );
    let (open, closed): (Vec<IpAddr>, Vec<IpAddr>) = many
        .iter()
        .partition(|address| addresses(&status).contains(address));
    assert!(connects(&lab.device(), &open[0].to_string())?);
    assert!(!connects(&lab.device(), &closed[0].to_string())?);
    lab.pull()?;
    Ok(())
}

/// The device with contoso's names in its hosts file, so that its clients do not ask the resolver.
fn with_known_names(lab: &Lab) -> Result<ProcessEnv> {
    let hosts = lab.dir().join("known-hosts");
    let [login, _] = LOGIN;
    fs::write(
        &hosts,
        format!("{login} {CONTOSO_LOGIN}\n{DATA} contoso.eastus.data.azurecr.io\n"),
    )?;
    lab.device().with_bind(&hosts, Path::new("/etc/hosts"))
}

/// What the first alarm of `kind` says.
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
