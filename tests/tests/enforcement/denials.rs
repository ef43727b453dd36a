//! What may not leave does not.

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

/// Thirteen ways to each pair of addresses make more than a thousand attempts.
const ROUNDS: u32 = 77;
/// What a refused `connect` may take, in milliseconds.
const AT_ONCE: f64 = 10.0;

#[test]
fn none_of_a_thousand_attempts_in_every_way_leaves_the_host() -> Result<()> {
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
        .filter(|tried| tried.kind.starts_with("tcp"))
        .collect();
    let late = connects
        .iter()
        .filter(|tried| tried.milliseconds >= AT_ONCE)
        .count();
    assert!(
        late * 100 <= connects.len(),
        "{late} of {} refusals took 10 ms or longer",
        connects.len()
    );
    lab.pull()?;
    assert!(
        counter.packets_to(&LOGIN_EASTUS)? > 0,
        "the wire counts nothing"
    );
    Ok(())
}

#[test]
fn uploads_and_foreign_registries_work_before_and_are_refused_after() -> Result<()> {
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
        let error = format!("{:#}", refused.err().context("evil's registry is open")?);
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
fn what_is_not_named_is_closed_where_the_default_is_deny() -> Result<()> {
    let lab = Lab::start()?;
    let device = lab.device();
    let elsewhere = format!("route add local {ELSEWHERE}/128 dev lo");
    lab.network().cloud().ip(&elsewhere)?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    assert_eq!(as_nobody(&device, "tcp", ELSEWHERE)?, "");

    enforcer.edit("[protect]", "[protect]\ndefault = \"deny\"")?;
    enforcer.signal(libc::SIGHUP)?;
    enforcer.await_api_status("what is not named is closed", MINUTE, |status| {
        !status.default_allow
    })?;
    let counter = PacketCounter::watch(lab.network())?;
    let output = as_nobody(&device, "tcp", ELSEWHERE)?;
    assert!(output.contains("Operation not permitted"), "{output}");
    assert_eq!(counter.packets_to(&["3ffe::/16"])?, 0);
    lab.pull()?;
    Ok(())
}

/// Global as far as the rule goes, for the lab's own addresses are not; nobody has it since the 6bone ended (RFC 3701).
const ELSEWHERE: &str = "3ffe::80";

/// The addresses of evil's own front end.
const EVIL_FRONT_END: [&str; 2] = ["198.51.100.50/32", "2001:db8:acc::50/128"];

#[test]
fn neither_another_user_nor_a_network_of_one_s_own_is_a_way_out() -> Result<()> {
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

/// What bash said when an unprivileged user sent something to port 443.
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

/// As [`as_nobody`], from a user and a network namespace of its own with a link that takes everything.
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
