//! Clients that resolve a name and connect immediately, while its addresses change.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use lab::{
    CONTOSO_LOGIN, Lab,
    clients::tls_client::{Totals, Work, run_in},
    fixtures::{enforcer::Enforcer, process::run, process_env::ProcessEnv},
    servers::{registry::IMAGE, stub_resolver::StubResolver},
    topology::addresses::{RESOLVER_V4, RESOLVER_V6},
};

use crate::{CLIENT, REGIONS, clients::PYTHON_CLIENT};

/// Number of addresses per family that rotate, one in each answer.
const ADDRESSES: u16 = 64;
/// TTL of the answers in seconds.
const TTL: u32 = 1;
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Time limit of a client.
const LIMIT: Duration = Duration::from_secs(600);
/// Runs a command repeatedly and prints the exit code of each failure.
const REPEAT: &str = "for ((left = $1; left > 0; left--)); do \"${@:2}\" >/dev/null 2>&1 || echo \"exit code $?\"; done";

/// Number of connections of each client.
#[derive(Clone, Copy)]
struct Counts {
    curl: u64,
    python: u64,
    skopeo: u64,
    rust: u64,
}

const TEN_THOUSAND: Counts = Counts {
    curl: 1000,
    python: 4300,
    skopeo: 100,
    rust: 4600,
};
const A_THOUSAND: Counts = Counts {
    curl: 100,
    python: 430,
    skopeo: 10,
    rust: 460,
};

#[test]
fn no_connection_to_a_just_resolved_address_is_denied() -> Result<()> {
    let lab = Lab::start()?;
    let (totals, denied) = with_daemon(&lab, "", TEN_THOUSAND, &lab.device())?;
    assert_eq!(totals.failed, BTreeMap::new());
    assert_eq!((totals.answered, denied), (10_000, 0));
    Ok(())
}

#[test]
fn no_connection_resolved_by_a_local_stub_resolver_is_denied() -> Result<()> {
    let lab = Lab::start()?;
    let stub = StubResolver::start(&lab, &lab.device())?;
    let env = stub.used_in(lab.device())?;
    let (totals, denied) = with_daemon(&lab, "", A_THOUSAND, &env)?;
    assert_eq!(totals.failed, BTreeMap::new());
    assert_eq!((totals.answered, denied), (1000, 0));
    Ok(())
}

/// Without configured servers: the daemon discovers the stub and its upstream servers in the files of systemd-resolved.
#[test]
fn no_connection_resolved_by_systemd_resolved_is_denied() -> Result<()> {
    let lab = Lab::start()?;
    let stub = StubResolver::start_resolved(&lab, &lab.device())?;
    let env = stub.used_in(lab.device())?;
    let mut enforcer = Enforcer::prepare(&lab, &REGIONS, "")?;
    stub.seen_by(&mut enforcer)?;
    let (totals, denied) = race(&lab, enforcer, A_THOUSAND, &env)?;
    assert_eq!(totals.failed, BTreeMap::new());
    assert_eq!((totals.answered, denied), (1000, 0));
    Ok(())
}

#[test]
fn no_connection_resolved_over_ipv6_is_denied() -> Result<()> {
    let lab = Lab::start()?;
    let file = lab.dir().join("ipv6-resolv.conf");
    fs::write(&file, format!("nameserver {RESOLVER_V6}\n"))?;
    let env = lab.device().with_bind(&file, RESOLV_CONF.as_ref())?;
    let (totals, denied) = with_daemon(&lab, "", A_THOUSAND, &env)?;
    assert_eq!(totals.failed, BTreeMap::new());
    assert_eq!((totals.answered, denied), (1000, 0));
    Ok(())
}

#[test]
fn without_dns_snooping_the_same_clients_are_denied() -> Result<()> {
    let lab = Lab::start()?;
    let (totals, denied) = with_daemon(&lab, "learn = false", A_THOUSAND, &lab.device())?;
    let failed: u64 = totals.failed.values().sum();
    assert_eq!(totals.answered + failed, 1000);
    assert!(denied > 0 && failed > 0, "{denied} were denied: {totals:?}");
    Ok(())
}

/// Runs all clients under a daemon with `more` in the section `[dns]`; returns the totals, and the number of denied packets and calls.
fn with_daemon(lab: &Lab, more: &str, counts: Counts, env: &ProcessEnv) -> Result<(Totals, u64)> {
    let enforcer = Enforcer::prepare(lab, &REGIONS, "")?;
    let servers =
        format!("[dns]\nservers = [\"{RESOLVER_V4}\", \"{RESOLVER_V6}\", \"127.0.0.53\"]");
    enforcer.edit("[dns]", &format!("{servers}\n{more}"))?;
    race(lab, enforcer, counts, env)
}

fn race(
    lab: &Lab,
    mut enforcer: Enforcer,
    counts: Counts,
    env: &ProcessEnv,
) -> Result<(Totals, u64)> {
    lab.dns().disable_caching()?;
    lab.dns().rotate_addresses(CONTOSO_LOGIN, &window(0), TTL)?;
    enforcer.run()?;
    enforcer.await_names()?;
    let totals = while_windows_move(lab, || connect_all(lab, counts, env))?;
    Ok((totals, enforcer.api_status()?.counters.denied()))
}

/// Returns the addresses of a turn. IPv4 addresses are constant; IPv6 addresses alternate between three sets for more first uses, in all
/// fewer than the daemon's limit per name.
fn window(turn: u16) -> Vec<IpAddr> {
    let first = 0x1000 + turn % 3 * ADDRESSES;
    let v4 = (0..ADDRESSES as u8).map(|last| IpAddr::from(Ipv4Addr::new(198, 51, 100, last)));
    let v6 = (first..first + ADDRESSES)
        .map(|last| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0xacc, 0, 0, 0, 0, last)));
    v4.chain(v6).collect()
}

/// Runs `work` while the login server's addresses change every second.
fn while_windows_move<T>(lab: &Lab, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let moving = scope.spawn(|| -> Result<()> {
            for turn in 1.. {
                let next = Instant::now() + Duration::from_secs(1);
                while Instant::now() < next {
                    if ended.load(Ordering::Relaxed) {
                        return Ok(());
                    }
                    thread::sleep(Duration::from_millis(20));
                }
                lab.dns()
                    .rotate_addresses(CONTOSO_LOGIN, &window(turn), TTL)?;
            }
            Ok(())
        });
        let result = work();
        ended.store(true, Ordering::Relaxed);
        moving
            .join()
            .map_err(|_panic| anyhow!("a thread panicked"))??;
        result
    })
}

/// Runs all clients concurrently; half of curl's connections use IPv4 only, half IPv6 only.
fn connect_all(lab: &Lab, counts: Counts, env: &ProcessEnv) -> Result<Totals> {
    thread::scope(|scope| {
        let running = [
            scope.spawn(|| curl(lab, env, "--ipv4", counts.curl / 2)),
            scope.spawn(|| curl(lab, env, "--ipv6", counts.curl - counts.curl / 2)),
            scope.spawn(|| python(lab, env, counts.python)),
            scope.spawn(|| skopeo(lab, env, counts.skopeo)),
            scope.spawn(|| rust(lab, env, counts.rust)),
        ];
        let mut all = Totals::default();
        for thread in running {
            let totals = thread
                .join()
                .map_err(|_panic| anyhow!("a thread panicked"))??;
            all.answered += totals.answered;
            for (what, count) in totals.failed {
                *all.failed.entry(what).or_default() += count;
            }
        }
        Ok(all)
    })
}

fn curl(lab: &Lab, env: &ProcessEnv, family: &str, count: u64) -> Result<Totals> {
    let mut bash = env.command("bash");
    bash.args(["-c", REPEAT, "curl", &count.to_string()])
        .args([
            "curl",
            "--disable",
            "--silent",
            "--fail",
            "--max-time",
            "10",
        ])
        .args(["--noproxy", "*", family, "--cacert"])
        .arg(lab.certificates().ca())
        .arg(format!("https://{CONTOSO_LOGIN}/v2/"));
    counted("curl", &run(bash, LIMIT)?.success()?, count)
}

fn skopeo(lab: &Lab, env: &ProcessEnv, count: u64) -> Result<Totals> {
    let skopeo = lab.skopeo(env);
    let mut bash = env.command("bash");
    for (variable, value) in skopeo.get_envs() {
        if let Some(value) = value {
            bash.env(variable, value);
        }
    }
    bash.args(["-c", REPEAT, "skopeo", &count.to_string()])
        .arg(skopeo.get_program())
        .args(skopeo.get_args())
        .args(["--command-timeout", "10s", "inspect", "--raw", "--no-creds"])
        .arg("--cert-dir")
        .arg(lab.certificates().cert_dir())
        .arg(format!("docker://{CONTOSO_LOGIN}/{IMAGE}"));
    counted("skopeo", &run(bash, LIMIT)?.success()?, count)
}

/// Parses the output of [`REPEAT`].
fn counted(client: &str, printed: &str, count: u64) -> Result<Totals> {
    let mut totals = Totals::default();
    for line in printed.lines() {
        *totals
            .failed
            .entry(format!("{client}: {line}"))
            .or_default() += 1;
    }
    let failed: u64 = totals.failed.values().sum();
    totals.answered = count.checked_sub(failed).context("too many failures")?;
    Ok(totals)
}

fn python(lab: &Lab, env: &ProcessEnv, count: u64) -> Result<Totals> {
    let mut python = env.command("python3");
    python
        .args(["-c", PYTHON_CLIENT, "pull", CONTOSO_LOGIN])
        .arg(lab.certificates().ca())
        .arg(count.to_string());
    let output = run(python, LIMIT)?.success()?;
    serde_json::from_str(&output).with_context(|| output)
}

fn rust(lab: &Lab, env: &ProcessEnv, count: u64) -> Result<Totals> {
    let work = Work::Get {
        host: CONTOSO_LOGIN.to_owned(),
        count,
    };
    run_in(Path::new(CLIENT), env, lab.certificates().ca(), &work)
}
