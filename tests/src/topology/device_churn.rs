//! Network devices that come, change and go.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Result;
use test_data::Random;

use super::netns::Netns;

/// Changes of one pair of devices, at most.
const CHANGES_OF_A_PAIR: usize = 3;
/// A VLAN of the devices' own.
const VLAN: &str = "vlan id 7";
const MACVLAN: &str = "macvlan mode bridge";
/// The module of bonds. A machine that loads it gets a bond in its own network, so nothing here makes it do so.
const BONDING: &str = "/sys/module/bonding";

/// Waits until an enforcer has seen a change.
pub trait Observer {
    /// Returns once all `devices` have filters.
    ///
    /// # Errors
    /// When they never have.
    fn await_filters(&self, devices: &[&str]) -> Result<()>;

    /// Returns once `device` is not listed.
    ///
    /// # Errors
    /// When it always is.
    fn await_absence(&self, device: &str) -> Result<()>;
}

/// Waits for nothing: for changes beside an enforcer that ends and starts.
#[derive(Debug)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn await_filters(&self, _devices: &[&str]) -> Result<()> {
        Ok(())
    }

    fn await_absence(&self, _device: &str) -> Result<()> {
        Ok(())
    }
}

type Change = fn(&DeviceChurn<'_>, &mut Pair) -> Result<()>;

/// What can happen to one end of a pair of devices on every kernel with virtual links.
const CHANGES: [(&str, Change); 5] = [
    ("renamed", rename),
    ("moved away and back", move_away),
    ("enslaved to a bridge", enslave),
    ("down and up", down_and_up),
    ("below a MACVLAN device", macvlan),
];
/// What not every kernel has.
const BOND: (&str, Change) = ("enslaved to a bond", bond);
const VLAN_DEVICE: (&str, Change) = ("below a VLAN device", vlan);

/// A pair of devices.
#[derive(Debug)]
pub struct Pair {
    /// The end that is renamed.
    pub here: String,
    /// The end that all else happens to.
    pub there: String,
}

/// A network namespace in which devices come and go.
pub struct DeviceChurn<'a> {
    netns: &'a Netns,
    bridge: &'a str,
    uplink: &'a str,
    observer: &'a dyn Observer,
    changes: Vec<(&'static str, Change)>,
}

impl<'a> DeviceChurn<'a> {
    /// Uses the namespace's bridge `bridge` as the master of devices, and its device `uplink` as the parent of others.
    ///
    /// # Errors
    /// When no network namespace can be created.
    pub fn new(
        netns: &'a Netns,
        bridge: &'a str,
        uplink: &'a str,
        observer: &'a dyn Observer,
    ) -> Result<Self> {
        let mut changes = CHANGES.to_vec();
        if Path::new(BONDING).exists() {
            changes.push(BOND);
        }
        let lines = format!(
            "link add t0a type veth peer name t0b\nlink add link t0a name t0v type {VLAN}\n"
        );
        if Netns::new()?.ip(&lines).is_ok() {
            changes.push(VLAN_DEVICE);
        }
        Ok(Self {
            netns,
            bridge,
            uplink,
            observer,
            changes,
        })
    }

    /// Returns the changes that this kernel does not have.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let mut all = vec![BOND.0, VLAN_DEVICE.0];
        all.retain(|what| !self.changes.iter().any(|(change, _)| change == what));
        all
    }

    /// Adds a pair of devices.
    ///
    /// # Errors
    /// When the kernel refuses, or the observer does.
    pub fn add(&self, number: usize) -> Result<Pair> {
        let pair = Pair {
            here: format!("t{number}a"),
            there: format!("t{number}b"),
        };
        let Pair { here, there } = &pair;
        self.netns.ip(&format!(
            "link add {here} type veth peer name {there}\nlink set {here} up\nlink set {there} up\n"
        ))?;
        self.await_pair(&pair)?;
        Ok(pair)
    }

    /// Changes a pair of devices, and returns how.
    ///
    /// # Errors
    /// As [`DeviceChurn::add`].
    pub fn change(&self, pair: &mut Pair, random: &mut Random) -> Result<&'static str> {
        let (what, change) = random.pick(&self.changes);
        change(self, pair)?;
        self.await_pair(pair)?;
        Ok(what)
    }

    /// Removes a pair of devices.
    ///
    /// # Errors
    /// As [`DeviceChurn::add`].
    pub fn remove(&self, pair: &Pair) -> Result<()> {
        self.delete(&pair.here)
    }

    /// Adds, changes and removes pairs until `ended` is set. Returns how often each change was made.
    ///
    /// # Errors
    /// As [`DeviceChurn::add`].
    pub fn until(
        &self,
        ended: &AtomicBool,
        random: &mut Random,
    ) -> Result<BTreeMap<&'static str, u64>> {
        let mut done = BTreeMap::new();
        while !ended.load(Ordering::Relaxed) {
            let mut pair = self.add(random.below(1_000_000))?;
            *done.entry("added and removed").or_default() += 1;
            for _ in 0..=random.below(CHANGES_OF_A_PAIR) {
                *done.entry(self.change(&mut pair, random)?).or_default() += 1;
            }
            self.remove(&pair)?;
        }
        Ok(done)
    }

    fn await_pair(&self, pair: &Pair) -> Result<()> {
        self.observer.await_filters(&[&pair.here, &pair.there])
    }

    fn delete(&self, device: &str) -> Result<()> {
        self.netns.ip(&format!("link delete {device}\n"))?;
        self.observer.await_absence(device)
    }

    /// Adds a device of `kind` on top of one end of a pair, and then one on top of the uplink.
    fn stack(&self, pair: &Pair, kind: &str) -> Result<()> {
        let upper = format!("{}u", pair.there);
        for parent in [&pair.there, self.uplink] {
            self.netns.ip(&format!(
                "link add link {parent} name {upper} type {kind}\nlink set {upper} up\n"
            ))?;
            self.observer.await_filters(&[&upper])?;
            self.delete(&upper)?;
        }
        Ok(())
    }
}

fn rename(churn: &DeviceChurn<'_>, pair: &mut Pair) -> Result<()> {
    let old = pair.here.clone();
    pair.here.push('r');
    let new = &pair.here;
    // Older kernels rename no device that is up.
    churn.netns.ip(&format!(
        "link set {old} down\nlink set {old} name {new}\nlink set {new} up\n"
    ))
}

fn move_away(churn: &DeviceChurn<'_>, pair: &mut Pair) -> Result<()> {
    let elsewhere = Netns::new()?;
    let name = &pair.there;
    let place = |netns: &Netns| format!("link set {name} netns {}\n", netns.path().display());
    churn.netns.ip(&place(&elsewhere))?;
    churn.observer.await_absence(name)?;
    elsewhere.ip(&place(churn.netns))?;
    churn.netns.ip(&format!("link set {name} up\n"))
}

fn enslave(churn: &DeviceChurn<'_>, pair: &mut Pair) -> Result<()> {
    let (name, bridge) = (&pair.there, churn.bridge);
    churn
        .netns
        .ip(&format!("link set {name} master {bridge}\n"))?;
    churn.await_pair(pair)?;
    churn.netns.ip(&format!("link set {name} nomaster\n"))
}

/// A bond's devices have no filters of their own, but the bond has.
fn bond(churn: &DeviceChurn<'_>, pair: &mut Pair) -> Result<()> {
    let name = &pair.there;
    let bond = format!("{name}u");
    churn.netns.ip(&format!(
        "link add {bond} type bond mode active-backup\n\
         link set {name} down\n\
         link set {name} master {bond}\n\
         link set {bond} up\n"
    ))?;
    churn.observer.await_filters(&[&bond])?;
    churn.netns.ip(&format!("link set {name} nomaster\n"))?;
    churn.delete(&bond)?;
    churn.netns.ip(&format!("link set {name} up\n"))
}

fn down_and_up(churn: &DeviceChurn<'_>, pair: &mut Pair) -> Result<()> {
    let name = &pair.there;
    churn
        .netns
        .ip(&format!("link set {name} down\nlink set {name} up\n"))
}

fn macvlan(churn: &DeviceChurn<'_>, pair: &mut Pair) -> Result<()> {
    churn.stack(pair, MACVLAN)
}

fn vlan(churn: &DeviceChurn<'_>, pair: &mut Pair) -> Result<()> {
    churn.stack(pair, VLAN)
}
