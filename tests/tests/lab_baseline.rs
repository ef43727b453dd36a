//! The lab without enforcement: exfiltration succeeds, and faults can be injected. These tests show
//! that the other suites are effective.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::Result;
use lab::{
    CONTOSO_LOGIN, EVIL_LOGIN, Lab, MALLORY_LOGIN,
    clients::Attempt,
    fixtures::process::run,
    servers::{
        dns::{Answer, Fault, RecordType, ResponseCode},
        stub_resolver::StubResolver,
    },
    topology::{
        addresses::{RESOLVER_V6, STORAGE},
        packet_counter::PacketCounter,
    },
};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_pull_goes_through_the_data_endpoint_of_the_region_that_serves_it() -> Result<()> {
    let lab = Lab::start()?;
    let pulled = lab.pull()?;
    assert_eq!(pulled.layers, 3);
    assert!(pulled.bytes > 3 * 512 * 1024, "{pulled:?}");
    assert_eq!(
        blob_hosts(&lab)?,
        names(&["contoso.eastus.data.azurecr.io"])
    );

    lab.dns()
        .set_addresses(CONTOSO_LOGIN, &[ip("198.51.100.70")], 10)?;
    lab.pull()?;
    let both = [
        "contoso.eastus.data.azurecr.io",
        "contoso.westus.data.azurecr.io",
    ];
    assert_eq!(blob_hosts(&lab)?, names(&both));

    lab.dns()
        .set_addresses(CONTOSO_LOGIN, &[ip("2001:db8:acc::10")], 10)?;
    lab.pull()?;
    let requests = lab.requests()?;
    assert!(
        requests
            .iter()
            .any(|request| request.address == ip("2001:db8:acc::10"))
    );
    Ok(())
}

#[test]
fn without_enforcement_every_kind_of_exfiltration_succeeds() -> Result<()> {
    let lab = Lab::start()?;
    let counter = PacketCounter::watch(lab.network())?;
    assert_eq!(counter.packets_to(&STORAGE)?, 0);

    let device = lab.device();
    let by_sdk = lab.exfiltrate_sdk(&device)?;
    assert!(by_sdk.ok, "{by_sdk:?}");
    let by_curl = lab.exfiltrate_curl(&device)?;
    assert!(by_curl.ok, "{by_curl:?}");
    assert!(counter.packets_to(&STORAGE)? > 0);
    for registry in [EVIL_LOGIN, MALLORY_LOGIN] {
        lab.push_to(registry, &device)?;
        lab.pull_from(registry, &device)?;
    }

    let account = [ip("203.0.113.66"), ip("2001:db8:b10b::66")];
    let attempts = lab.attempt(&device, &account, 2)?;
    assert_eq!(attempts.len(), 2 * (8 + 5));
    let failed: Vec<&Attempt> = attempts
        .iter()
        .filter(|attempt| attempt.errno.is_some())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");

    lab.dns()
        .set_addresses("evil.blob.core.windows.net", &[ip("203.0.113.200")], 10)?;
    lab.dns()
        .fail_mode_for("evil.blob.core.windows.net", Fault::Nxdomain)?;
    let unresolved = lab.exfiltrate_sdk(&device)?;
    assert!(
        !unresolved.ok && unresolved.error.is_some(),
        "{unresolved:?}"
    );
    Ok(())
}

#[test]
fn names_resolve_like_the_service_s_and_change_immediately() -> Result<()> {
    let lab = Lab::start()?;
    let login = ask(&lab, CONTOSO_LOGIN)?;
    let chain = [
        "eus-3.fe.azcr.io",
        "eus-3-acr-reg.trafficmanager.net",
        "r0330eus-3.eastus.cloudapp.azure.com",
    ];
    assert_eq!(
        login
            .aliases
            .iter()
            .map(|(name, _)| name.as_str())
            .collect::<Vec<_>>(),
        chain
    );
    assert_eq!(addresses(&login), names(&["198.51.100.10"]));
    assert!(
        login.addresses.iter().all(|(_, ttl)| *ttl <= 10),
        "{login:?}"
    );
    assert_eq!(
        ask(&lab, "nowhere.azurecr.io")?.code,
        ResponseCode::NXDomain
    );
    assert_eq!(ask(&lab, "nowhere.invalid.")?.code, ResponseCode::NXDomain);

    let over_v6 = SocketAddr::from((RESOLVER_V6, 53));
    let v6 = lab.dns().ask_at(
        over_v6,
        lab.network().device(),
        CONTOSO_LOGIN,
        RecordType::AAAA,
    )?;
    assert_eq!(addresses(&v6), names(&["2001:db8:acc::10"]));

    for last in 11..31 {
        let address = format!("198.51.100.{last}");
        lab.dns()
            .set_addresses(CONTOSO_LOGIN, &[ip(&address)], 10)?;
        assert_eq!(addresses(&ask(&lab, CONTOSO_LOGIN)?), names(&[&address]));
    }

    lab.dns().set_alias(
        "contoso.northeurope.data.azurecr.io",
        "eus-0.data.azcr.io",
        60,
    )?;
    let replica = ask(&lab, "contoso.northeurope.data.azurecr.io")?;
    assert_eq!(addresses(&replica), names(&["198.51.100.130"]));
    lab.dns().remove("contoso.northeurope.data.azurecr.io")?;
    assert_eq!(
        ask(&lab, "contoso.northeurope.data.azurecr.io")?.code,
        ResponseCode::NXDomain
    );
    Ok(())
}

#[test]
fn a_rotating_name_has_a_different_single_address_in_each_answer() -> Result<()> {
    let lab = Lab::start()?;
    let all = [
        "198.51.100.10",
        "198.51.100.11",
        "198.51.100.12",
        "2001:db8:acc::10",
    ];
    lab.dns().rotate_addresses(CONTOSO_LOGIN, &all.map(ip), 0)?;
    let mut seen = BTreeSet::new();
    let mut last = BTreeSet::new();
    for _question in 0..6 {
        let answer = addresses(&ask(&lab, CONTOSO_LOGIN)?);
        assert_eq!(answer.len(), 1, "{answer:?}");
        assert_ne!(answer, last);
        seen.extend(answer.clone());
        last = answer;
    }
    assert_eq!(seen, names(&all[..3]));
    Ok(())
}

#[test]
fn injected_resolver_faults_apply_until_they_are_cleared() -> Result<()> {
    let lab = Lab::start()?;
    let dns = lab.dns();
    dns.fail_mode(Fault::Nxdomain)?;
    assert_eq!(ask(&lab, CONTOSO_LOGIN)?.code, ResponseCode::NXDomain);
    dns.fail_mode(Fault::Servfail)?;
    assert_eq!(ask(&lab, CONTOSO_LOGIN)?.code, ResponseCode::ServFail);
    dns.fail_mode(Fault::Lie(ip("203.0.113.66")))?;
    assert_eq!(
        addresses(&ask(&lab, CONTOSO_LOGIN)?),
        names(&["203.0.113.66"])
    );
    dns.fail_mode(Fault::Slow(Duration::from_millis(300)))?;
    let start = Instant::now();
    assert_eq!(
        addresses(&ask(&lab, CONTOSO_LOGIN)?),
        names(&["198.51.100.10"])
    );
    assert!(start.elapsed() >= Duration::from_millis(300));
    dns.fail_mode(Fault::Silent)?;
    assert!(ask(&lab, CONTOSO_LOGIN).is_err());
    dns.fail_mode(Fault::Truncate)?;
    let cut = ask(&lab, CONTOSO_LOGIN)?;
    assert!(cut.truncated && cut.addresses.is_empty(), "{cut:?}");
    assert!(
        looked_up(&lab, CONTOSO_LOGIN)?.contains("198.51.100.10"),
        "the client falls back to TCP"
    );

    dns.clear_faults();
    assert_eq!(
        addresses(&ask(&lab, CONTOSO_LOGIN)?),
        names(&["198.51.100.10"])
    );
    dns.fail_mode_for("Evil.azurecr.io", Fault::Nxdomain)?;
    assert_eq!(ask(&lab, EVIL_LOGIN)?.code, ResponseCode::NXDomain);
    assert_eq!(
        addresses(&ask(&lab, CONTOSO_LOGIN)?),
        names(&["198.51.100.10"])
    );
    Ok(())
}

#[test]
fn a_local_stub_resolver_works_on_the_device() -> Result<()> {
    let lab = Lab::start()?;
    let stub = StubResolver::start(&lab, &lab.device())?;
    assert!(
        lab.device_cgroup()
            .pids()?
            .contains(&i32::try_from(stub.pid())?)
    );
    lab.pull_from(CONTOSO_LOGIN, &stub.used_in(lab.device())?)?;
    Ok(())
}

fn ask(lab: &Lab, name: &str) -> Result<Answer> {
    lab.dns().ask(
        lab.network().device(),
        name.trim_end_matches('.'),
        RecordType::A,
    )
}

/// Returns the result of a lookup with the C library on the device.
fn looked_up(lab: &Lab, name: &str) -> Result<String> {
    let mut command = lab.device().command("getent");
    command.args(["ahostsv4", name]);
    run(command, MINUTE)?.success()
}

/// Returns the hosts that served blobs.
fn blob_hosts(lab: &Lab) -> Result<BTreeSet<String>> {
    let requests = lab.requests()?;
    assert!(
        requests
            .iter()
            .any(|request| request.status == 307 && request.host == CONTOSO_LOGIN)
    );
    let served = requests
        .iter()
        .filter(|request| request.status == 200 && request.uri.contains("sha256:"));
    Ok(served
        .filter(|request| request.method == "GET")
        .map(|request| request.host.clone())
        .collect())
}

fn addresses(answer: &Answer) -> BTreeSet<String> {
    answer
        .addresses
        .iter()
        .map(|(address, _)| address.to_string())
        .collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[expect(clippy::unwrap_used, reason = "the tests' own literals")]
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
