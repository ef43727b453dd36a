//! Compares the verdicts of the loaded programs for the published service tags with an independent oracle.

mod oracle;
mod samples;
mod table_switches;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

use anyhow::Result;
use enforcer::{
    azure::tags::import_file,
    bpf::{Kernel, TestRun},
    config::{Cloud, REGISTRY_TAG, STORAGE_TAG},
    policy::{Inputs, Layer, Protected},
};
use enforcer_common::{Class, Reason, Verdict};
use lab::bpf::loaded_policy::LoadedPolicy;
use test_data::{
    Random,
    packet::{Packet, protocol},
};

use oracle::Oracle;
use samples::sample;

const NEWEST: &str = "ServiceTags_Public_20251028.json";
/// An older file with different addresses; the file of 13 October 2025 protects the same addresses as the newest.
const OLDER: &str = "ServiceTags_Public_20240506.json";
const SEED: u64 = 20_251_028;
const ADDRESSES: usize = 1_000_000;
const THREADS: usize = 2;

/// Results of two programs compared with the oracle.
#[derive(Default)]
struct Tally {
    /// Number of answers by reason.
    reasons: BTreeMap<Reason, u64>,
    /// Differences of verdict or reason of the program `explain`.
    explained: Vec<String>,
    /// Differences of verdict of the program `egress`.
    enforced: Vec<String>,
}

#[test]
fn a_million_addresses_get_the_verdict_of_the_published_file() -> Result<()> {
    let Some(file) = published(NEWEST) else {
        eprintln!("NOT RUN: ../shared/data is not here");
        return Ok(());
    };
    let start = Instant::now();
    let oracle = Oracle::read(&file)?;
    let mut loaded = loaded(&protected(&file)?)?;
    loaded.attach(&loaded.cgroup().child("scope")?)?;
    let question = loaded.question()?;
    let sample = sample(&oracle.raw, &mut Random::new(SEED), ADDRESSES);

    let tally = thread::scope(|scope| {
        let shares = sample.chunks(sample.len().div_ceil(THREADS));
        let threads: Vec<_> = shares
            .map(|share| scope.spawn(|| compare(share, &oracle, &question, &loaded.kernel)))
            .collect();
        let tallies = threads.into_iter().map(|thread| thread.join().unwrap());
        tallies.collect::<Result<Vec<Tally>>>()
    })?;
    let tally = tally.into_iter().fold(Tally::default(), Tally::and);
    eprintln!(
        "seed {SEED}: {} addresses in {:.0?}; by reason {:?}; {} differences of explain, {} of egress",
        sample.len(),
        start.elapsed(),
        tally.reasons,
        tally.explained.len(),
        tally.enforced.len(),
    );
    assert_eq!(tally.explained, [""; 0]);
    assert_eq!(tally.enforced, [""; 0]);
    for reason in [
        Reason::Storage,
        Reason::Registry,
        Reason::Local,
        Reason::DefaultAllow,
    ] {
        let count = tally.reasons.get(&reason).copied().unwrap_or(0);
        assert!(count > 10_000, "{reason:?}: {count}");
    }
    Ok(())
}

fn compare(
    share: &[IpAddr],
    oracle: &Oracle,
    question: &TestRun,
    kernel: &Kernel,
) -> Result<Tally> {
    let mut tally = Tally::default();
    for (at, address) in share.iter().enumerate() {
        let kind = [protocol::TCP, protocol::UDP, protocol::ICMP][at % 3];
        let packet = Packet::new(*address, kind, 443).bytes();
        let expected = oracle.reason(*address);
        let answer = question.run_packet(&packet)?;
        let passes = kernel.passes(&packet)?;
        *tally.reasons.entry(answer.reason).or_default() += 1;
        let denies = matches!(expected, Reason::Storage | Reason::Registry);
        let agrees = answer.reason == expected
            && (answer.verdict == Verdict::Deny) == denies
            && answer.passes != denies;
        if !agrees {
            tally
                .explained
                .push(format!("{address}: {answer:?}, not {expected:?}"));
        }
        if passes == denies {
            tally
                .enforced
                .push(format!("{address}: passes {passes}, {expected:?}"));
        }
    }
    Ok(tally)
}

impl Tally {
    fn and(mut self, other: Self) -> Self {
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
        self.explained.extend(other.explained);
        self.enforced.extend(other.enforced);
        self
    }
}

/// Returns the path of a published file outside the workspace, if it exists.
fn published(file: &str) -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let path = workspace.join("../shared/data/service-tags").join(file);
    path.is_file().then_some(path)
}

/// Returns the protected set that the daemon builds from a published file.
fn protected(file: &Path) -> Result<Protected> {
    let wanted = [STORAGE_TAG, REGISTRY_TAG].map(str::to_owned);
    let tags = import_file(file, Cloud::Public, &wanted)?;
    let layer = |class, tag| -> Result<Layer> {
        Ok(Layer {
            class,
            prefixes: tags.family(tag)?.iter().collect(),
        })
    };
    Ok(Protected {
        layers: vec![
            layer(Class::Storage, STORAGE_TAG)?,
            layer(Class::Registry, REGISTRY_TAG)?,
        ],
        ..Protected::default()
    })
}

/// Loads the programs and applies `protected` with default `allow` and no allowed names.
fn loaded(protected: &Protected) -> Result<LoadedPolicy> {
    let mut loaded = LoadedPolicy::new()?;
    let inputs = Inputs {
        default_allow: true,
        ..Inputs::default()
    };
    loaded.apply(protected, &inputs)?;
    Ok(loaded)
}
