//! Denied traffic does not leave the host.

use anyhow::{Context, Result};
use lab::{
    EVIL_LOGIN, Lab,
    clients::{Attempt, Exfiltration},
    fixtures::{enforcer::Enforcer, process::run, process_env::ProcessEnv},
    topology::{
        addresses::{LOGIN_EASTUS, STORAGE},
        packet_counter::PacketCounter,
    },
};

use crate::{ACCOUNT, DENIED, MINUTE, REGIONS, browse, ip, others};

/// Rounds of 13 attempts each per pair of addresses, more than a thousand in all.
const ROUNDS: u32 = 77;
/// Time limit of a refused `connect` in milliseconds.
const IMMEDIATE: f64 = 10.0;

#[test]
fn no_packet_of_a_thousand_attempts_leaves_the_host() -> Result<()> {
    let lab = Lab::start()?;
    let _enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    let counter = PacketCounter::watch(lab.network())?;
    let attempts = lab.attempt(&lab.device(), &ACCOUNT.map(ip), ROUNDS)?;
    assert!(attempts.len() >= 1000, "{}", attempts.len());
    let others = others(&attempts, DENIED);
    assert!(others.is_empty(), "not EPERM: {others:?}");
    assert_eq!(counter.packets_to(&STORAGE)?, 0);

    let connects: Vec<&Attempt> = attempts
        .iter()
        .filter(|attempt| attempt.kind.starts_with("tcp"))
        .collect();
    let late = connects
        .iter()
        .filter(|attempt| attempt.milliseconds >= IMMEDIATE)
        .count();
    assert!(
        late * 100 <= connects.len(),
        "{late} of {} refusals took 10 ms or longer",
        connects.len()
    );
    lab.pull()?;
    assert!(
        counter.packets_to(&LOGIN_EASTUS)? > 0,
        "the packet counter counts nothing"
    );
    Ok(())
}

#[test]
fn uploads_and_other_registries_work_before_enforcement_and_fail_after() -> Result<()> {
    let lab = Lab::start()?;
    let device = lab.device();
    let uploads = || Ok([lab.exfiltrate_sdk(&device)?, lab.exfiltrate_curl(&device)?]);
    let before: Result<[Exfiltration; 2]> = uploads();
    assert!(before?.iter().all(|upload| upload.ok));
    lab.push_to(EVIL_LOGIN, &device)?;

    let _enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    let counter = PacketCounter::watch(lab.network())?;
    let after: Result<[Exfiltration; 2]> = uploads();
    let [by_sdk, by_curl] = after?;
    assert_eq!((by_sdk.ok, by_sdk.errno), (false, DENIED), "{by_sdk:?}");
    assert!(!by_curl.ok, "{by_curl:?}");
    for refused in [
        lab.push_to(EVIL_LOGIN, &device),
        lab.pull_from(EVIL_LOGIN, &device).map(|_pulled| ()),
    ] {
        let error = format!(
            "{:#}",
            refused.err().context("evil's registry is reachable")?
        );
        assert!(error.contains("operation not permitted"), "{error}");
    }
    assert_eq!(counter.packets_to(&STORAGE)?, 0);
    assert_eq!(counter.packets_to(&EVIL_FRONT_END)?, 0);

    lab.pull()?;
    lab.push_to(lab::CONTOSO_LOGIN, &device)?;
    browse(&device)?.success()?;
    Ok(())
}

#[test]
fn with_default_deny_unlisted_addresses_are_denied() -> Result<()> {
    let lab = Lab::start()?;
    let device = lab.device();
    let elsewhere = format!("route add local {ELSEWHERE}/128 dev lo");
    lab.network().cloud().ip(&elsewhere)?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    assert_eq!(as_nobody(&device, "tcp", ELSEWHERE)?, "");

    enforcer.edit("[protect]", "[protect]\ndefault = \"deny\"")?;
    enforcer.signal(libc::SIGHUP)?;
    enforcer.await_api_status("default deny", MINUTE, |status| !status.default_allow)?;
    let counter = PacketCounter::watch(lab.network())?;
    let output = as_nobody(&device, "tcp", ELSEWHERE)?;
    assert!(output.contains("Operation not permitted"), "{output}");
    assert_eq!(counter.packets_to(&["3ffe::/16"])?, 0);
    lab.pull()?;
    Ok(())
}

/// A global address, which the lab's own are not; unused on the Internet since the end of the 6bone (RFC 3701).
const ELSEWHERE: &str = "3ffe::80";

/// The addresses of evil's own front end.
const EVIL_FRONT_END: [&str; 2] = ["198.51.100.50/32", "2001:db8:acc::50/128"];

#[test]
fn neither_another_user_nor_a_new_network_namespace_evades_enforcement() -> Result<()> {
    let lab = Lab::start()?;
    let _enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    let counter = PacketCounter::watch(lab.network())?;
    let device = lab.device();
    assert_eq!(as_nobody(&device, "tcp", "192.0.2.80")?, "");
    for address in ACCOUNT {
        for transport in ["tcp", "udp"] {
            let output = as_nobody(&device, transport, address)?;
            assert!(output.contains("Operation not permitted"), "{output}");
            let output = in_own_network(&device, transport, address)?;
            assert!(output.contains("Operation not permitted"), "{output}");
        }
    }
    assert_eq!(counter.packets_to(&STORAGE)?, 0);
    Ok(())
}

/// Sends data to port 443 as an unprivileged user; returns bash's standard error.
fn as_nobody(env: &ProcessEnv, transport: &str, address: &str) -> Result<String> {
    let mut command = env.command("setpriv");
    command
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "bash",
            "-c",
        ])
        .arg(format!("echo data >/dev/{transport}/{address}/443"));
    Ok(run(command, MINUTE)?.stderr)
}

/// As [`as_nobody`], from new user and network namespaces with a default route.
fn in_own_network(env: &ProcessEnv, transport: &str, address: &str) -> Result<String> {
    let mut command = env.command("unshare");
    command
        .args(["--user", "--map-root-user", "--net", "bash", "-c"])
        .arg(format!(
            "set -e; ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up
             ip address add 10.9.9.9/24 dev d0
             ip address add fd09::9/64 dev d0 nodad; ip route add default dev d0; ip -6 route add default dev d0
             echo data >/dev/{transport}/{address}/443"
        ));
    Ok(run(command, MINUTE)?.stderr)
}
