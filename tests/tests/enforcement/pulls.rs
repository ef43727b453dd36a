//! Pulls while the addresses of the login server change.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use lab::{CONTOSO_LOGIN, Lab, fixtures::enforcer::Enforcer};

use crate::{MINUTE, REGIONS};

/// TTL of the answers in seconds; they also change at this interval.
const TTL: u32 = 1;
/// Number of front ends that rotate in the login server's answers.
const FRONT_ENDS: u16 = 48;

/// Consecutive answers overlap, so that a client finds an address that the daemon already knows: the only address of an answer
/// is denied until the daemon has resolved the name, too, at most a second later.
#[test]
fn a_hundred_pulls_succeed_while_one_address_is_replaced_every_second() -> Result<()> {
    let lab = Lab::start()?;
    let answer = |turn| addresses((turn..turn + 4).map(|each| each % FRONT_ENDS));
    lab.dns().set_addresses(CONTOSO_LOGIN, &answer(0), TTL)?;
    let _enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    let (pulls, turns) = while_addresses_change(&lab, answer, || pull_times(&lab, 100, 12))?;
    assert_eq!(pulls, Vec::<String>::new(), "refused or failed");
    assert!(turns >= 10, "only {turns} changes");
    let used = front_ends_used(&lab)?;
    assert!(used.len() >= 10, "only {used:?} were used");
    Ok(())
}

/// A single address in each answer, as in the service: a known address stays allowed after answers no longer contain it.
#[test]
fn pulls_succeed_from_every_address_resolved_before() -> Result<()> {
    let lab = Lab::start()?;
    let answer = |turn| addresses([turn % 8]);
    lab.dns().set_addresses(CONTOSO_LOGIN, &answer(0), TTL)?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    let seen_all = || {
        enforcer.await_api_status("all front ends are known", MINUTE, |status| {
            status.registries[0].names[0].addresses.len() == 16
        })
    };
    let (pulls, _turns) = while_addresses_change(&lab, answer, || {
        seen_all()?;
        pull_times(&lab, 30, 8)
    })?;
    assert_eq!(pulls, Vec::<String>::new(), "refused or failed");
    let used = front_ends_used(&lab)?;
    assert!(used.len() >= 4, "only {used:?} were used");
    Ok(())
}

/// Runs `work` while the login server's answer changes every second; returns its result and the number of changes.
fn while_addresses_change<T>(
    lab: &Lab,
    answer: impl Fn(u16) -> Vec<IpAddr> + Sync,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, u16)> {
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let changing = scope.spawn(|| -> Result<u16> {
            let mut turn = 0;
            while !ended.load(Ordering::Relaxed) {
                let next = Instant::now() + Duration::from_secs(1);
                lab.dns().set_addresses(CONTOSO_LOGIN, &answer(turn), TTL)?;
                turn += 1;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            Ok(turn)
        });
        let result = work();
        ended.store(true, Ordering::Relaxed);
        let turns = changing
            .join()
            .map_err(|_panic| anyhow!("the changes panicked"))??;
        Ok((result?, turns))
    })
}

/// Makes at least `count` pulls, for at least `seconds`; returns the errors of the failed ones.
fn pull_times(lab: &Lab, count: usize, seconds: u64) -> Result<Vec<String>> {
    let end = Instant::now() + Duration::from_secs(seconds);
    let wanted = (0..).take_while(|number| *number < count || Instant::now() < end);
    let pulls = wanted.map(|number| (number, lab.pull()));
    Ok(pulls
        .filter_map(|(number, pulled)| Some(format!("{number}: {:#}", pulled.err()?)))
        .collect())
}

/// Returns the addresses of front ends in the region eastus, in both families.
fn addresses(front_ends: impl IntoIterator<Item = u16>) -> Vec<IpAddr> {
    let both = |number: u16| {
        let last = number + 1;
        [
            IpAddr::from(Ipv4Addr::from_bits(
                Ipv4Addr::new(198, 51, 100, 0).to_bits() | u32::from(last),
            )),
            IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0xacc, 0, 0, 0, 0, last)),
        ]
    };
    front_ends.into_iter().flat_map(both).collect()
}

fn front_ends_used(lab: &Lab) -> Result<BTreeSet<IpAddr>> {
    let requests = lab.requests()?.into_iter();
    Ok(requests
        .filter(|request| request.host == CONTOSO_LOGIN)
        .map(|request| request.address)
        .collect())
}
