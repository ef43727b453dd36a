//! What changes while images are pulled: devices, the replicas of the registry, and the service tags.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use enforcer::control::Status;
use lab::{
    fixtures::{fixture::Fixture, replicas::Replica, service_tags},
    topology::{
        addresses::INTERNET,
        device_churn::{DeviceChurn, Unobserved},
    },
};
use test_data::Random;

use crate::scene::FRAMES;

const POLL: Duration = Duration::from_millis(20);
/// How long a replica serves, and how long it does not.
const PERIOD: Duration = Duration::from_secs(1);
/// Time for the daemon to take a change, generous for a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// What the threads of a run share.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    ended: AtomicBool,
    pulls: AtomicUsize,
}

impl Progress {
    /// Counts a pull that begins.
    pub(crate) fn begin_pull(&self) {
        self.pulls.fetch_add(1, Ordering::SeqCst);
    }

    /// Ends all threads.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    /// Whether a thread has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Runs a thread's work, behind which all others end.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let done = work();
        self.end();
        done
    }

    /// Waits until every pull that has begun by now is over.
    fn await_next_pull(&self) {
        let before = self.pulls.load(Ordering::SeqCst);
        while self.pulls.load(Ordering::SeqCst) == before && !self.has_ended() {
            thread::sleep(POLL);
        }
    }
}

/// Adds, changes and removes devices of the host. Returns what it did, and what the kernel does not have.
pub(crate) fn change_devices(fixture: &Fixture, progress: &Progress) -> Result<String> {
    let host = fixture.lab.network().device();
    let churn = DeviceChurn::new(host, "docker0", "eth0", &Unobserved)?;
    let done = churn.until(&progress.ended, &mut Random::new(1))?;
    ensure!(!done.is_empty(), "no device was changed");
    Ok(format!(
        "{done:?}, not on this kernel: {:?}",
        churn.missing()
    ))
}

/// Adds a replica to the configuration, has it serve, and removes it again; each time with other service tags. Returns how often it served.
pub(crate) fn change_policy(fixture: &Fixture, progress: &Progress) -> Result<u32> {
    let replica = Replica::number(0);
    replica.appear(&fixture.lab)?;
    let region = replica.region.name;
    let mut served = 0;
    while !progress.has_ended() {
        configure(fixture, &["eastus", region], |status| {
            has_addresses(status, region)
        })?;
        publish(fixture, 2 * served + 2, &[INTERNET])?;
        fixture.lab.serve_from(Some(region))?;
        thread::sleep(PERIOD);
        progress.await_next_pull();
        fixture.lab.serve_from(None)?;
        // A pull that has begun may still be on its way to the replica.
        progress.await_next_pull();
        configure(fixture, &["eastus"], |status| !knows(status, region))?;
        publish(fixture, 2 * served + 3, &[])?;
        served += 1;
        thread::sleep(PERIOD);
    }
    Ok(served)
}

fn configure(
    fixture: &Fixture,
    regions: &[&str],
    is_taken: impl Fn(&Status) -> bool,
) -> Result<()> {
    let text = fixture.configuration(regions, FRAMES);
    fixture.enforcer.configure(&text)?;
    fixture.enforcer.signal(libc::SIGHUP)?;
    let what = format!("the regions {regions:?}");
    fixture.enforcer.await_api_status(&what, WITHIN, is_taken)?;
    Ok(())
}

fn publish(fixture: &Fixture, publication: u32, storage: &[[&str; 2]]) -> Result<()> {
    fixture.replace_service_tags(publication, storage)?;
    let number = service_tags::change_number(publication);
    let is_taken = |status: &Status| status.tags.change_number == number;
    fixture
        .enforcer
        .await_api_status("other service tags", WITHIN, is_taken)?;
    Ok(())
}

fn knows(status: &Status, region: &str) -> bool {
    let names = status.registries.iter().flat_map(|each| &each.names);
    names.into_iter().any(|name| name.origin.contains(region))
}

fn has_addresses(status: &Status, region: &str) -> bool {
    let mut names = status.registries.iter().flat_map(|each| &each.names);
    knows(status, region)
        && names.all(|name| !name.origin.contains(region) || !name.addresses.is_empty())
}
