//! Atomic switches of the protected set under concurrent lookups.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, ScopedJoinHandle},
};

use anyhow::{Context, Result};
use enforcer::{
    bpf::TestRun,
    policy::{CompileError, Desired, Inputs, Layer, Protected, Tables, compile, compile_tables},
};
use enforcer_common::{Class, Reason, Verdict, layout::NameCount, tables::stride::MAX_BLOCKS};
use ipnet::{IpNet, Ipv4Net};
use test_data::Random;

use crate::{NEWEST, OLDER, Oracle, loaded, protected, published};

const SWITCHES: usize = 300;
const SAMPLE: usize = 200;
/// Number of concurrent threads: more than processors, so that lookups are also preempted.
const LOOKUP_THREADS: usize = 4;

fn is_protected(reason: Reason) -> bool {
    matches!(reason, Reason::Storage | Reason::Registry)
}

/// Returns first addresses of prefixes that both files protect, half IPv4, half IPv6.
fn protected_by_both(one: &Oracle, other: &Oracle, random: &mut Random) -> Vec<IpAddr> {
    let firsts = one.raw.iter().map(|(first, _)| *first);
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = firsts
        .filter(|address| is_protected(other.reason(*address)))
        .partition(IpAddr::is_ipv4);
    let mut picked = Vec::new();
    for family in [v4, v6] {
        picked.extend((0..SAMPLE / 2).map(|_| random.pick(&family)));
    }
    picked
}

/// Returns an address that `one` protects and `other` does not.
fn only_in(one: &Oracle, other: &Oracle) -> Result<IpAddr> {
    let mut firsts = one.raw.iter().map(|(first, _)| *first);
    firsts
        .find(|address| other.reason(*address) == Reason::DefaultAllow)
        .context("the files differ")
}

fn compiled(protected: &Protected) -> Result<Desired> {
    let inputs = Inputs {
        default_allow: true,
        ..Inputs::default()
    };
    Ok(compile(&inputs, compile_tables(protected)?)?)
}

fn is_denied(question: &TestRun, address: IpAddr) -> Result<bool> {
    Ok(question.ask(address, 6, 443)?.verdict == Verdict::Deny)
}

#[test]
fn an_address_in_both_sets_is_denied_at_every_moment_of_a_switch() -> Result<()> {
    let (Some(newest), Some(older)) = (published(NEWEST), published(OLDER)) else {
        eprintln!("NOT RUN: ../shared/data is not here");
        return Ok(());
    };
    let (new, old) = (Oracle::read(&newest)?, Oracle::read(&older)?);
    let sample = protected_by_both(&old, &new, &mut Random::new(crate::SEED));
    let only_new = only_in(&new, &old)?;
    let sets = [
        compiled(&protected(&newest)?)?,
        compiled(&protected(&older)?)?,
    ];
    let mut loaded = loaded(&protected(&older)?)?;
    loaded.attach(&loaded.cgroup().child("scope")?)?;
    let (question, watcher) = (loaded.question()?, loaded.question()?);

    let (is_over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let open = thread::scope(|scope| {
        let ask = || {
            let mut open = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                for address in &sample {
                    if !is_denied(&question, *address)? {
                        open.push(*address);
                    }
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            }
            anyhow::Ok(open)
        };
        let threads = [(); LOOKUP_THREADS].map(|()| scope.spawn(ask));
        let switched = (0..SWITCHES).try_for_each(|at| {
            let before = answers.load(Ordering::Relaxed);
            loaded.apply_compiled(&sets[at % 2])?;
            assert_eq!(is_denied(&watcher, only_new)?, at % 2 == 0, "switch {at}");
            while answers.load(Ordering::Relaxed) < before + SAMPLE as u64
                && !threads.iter().any(ScopedJoinHandle::is_finished)
            {
                thread::yield_now();
            }
            anyhow::Ok(())
        });
        is_over.store(true, Ordering::Relaxed);
        let open = threads.map(|thread| thread.join().unwrap()).into_iter();
        switched.and(open.collect::<Result<Vec<_>>>())
    })?;
    let (answers, open) = (answers.into_inner(), open.concat());
    eprintln!(
        "{answers} lookups during {SWITCHES} switches, {} of them allowed",
        open.len()
    );
    assert_eq!(open, [] as [IpAddr; 0]);
    assert!(answers >= (SWITCHES * SAMPLE) as u64);
    Ok(())
}

/// Returns one /25 in each of `count` /24s, which needs a separate block for each.
#[expect(clippy::unwrap_used, reason = "25 is a length")]
fn scattered(count: u32) -> Layer {
    let net = |at: u32| Ipv4Net::new(Ipv4Addr::from(0x0b00_0000 | at << 8), 25).unwrap();
    Layer {
        class: Class::Storage,
        prefixes: (0..count).map(net).map(IpNet::V4).collect(),
    }
}

#[test]
fn a_protected_set_that_does_not_fit_changes_nothing() -> Result<()> {
    let small = Protected {
        layers: vec![scattered(10)],
        ..Protected::default()
    };
    let mut loaded = loaded(&small)?;
    loaded.attach(&loaded.cgroup().child("scope")?)?;
    let question = loaded.question()?;
    let [protected, unprotected] =
        ["11.0.9.1", "11.0.10.1"].map(|text| text.parse::<IpAddr>().unwrap());
    let unchanged = || -> Result<bool> {
        Ok(is_denied(&question, protected)? && !is_denied(&question, unprotected)?)
    };
    assert!(unchanged()?);
    let before = (loaded.kernel.maps.held()?, loaded.kernel.maps.settings()?);

    let large = Protected {
        layers: vec![scattered(MAX_BLOCKS)],
        ..Protected::default()
    };
    let refused = compile_tables(&large);
    assert!(matches!(
        refused,
        Err(CompileError::TableFull { family: "IPv4", .. })
    ));
    assert!(loaded.apply(&large, &Inputs::default()).is_err());
    assert!(unchanged()?);

    let good = compiled(&small)?;
    let entries = |count: u128| (0..count).map(|at| (at.to_be_bytes(), NameCount::default()));
    let too_many_addresses = Desired {
        allowed: entries(10_000).collect(),
        ..good.clone()
    };
    let too_many_blocks = Desired {
        tables: Arc::new(Tables {
            blocks: vec![[0; 256]; MAX_BLOCKS as usize + 1],
            rows: good.tables.rows.clone(),
        }),
        allowed: entries(5).collect(),
        ..good
    };
    for desired in [too_many_addresses, too_many_blocks] {
        assert!(loaded.apply_compiled(&desired).is_err());
        assert!(unchanged()?);
        let after = (loaded.kernel.maps.held()?, loaded.kernel.maps.settings()?);
        assert_eq!(after, before, "neither entries nor settings");
    }
    Ok(())
}
