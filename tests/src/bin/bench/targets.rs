//! Destinations of every kind from the bundled service tags.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use enforcer::{
    azure::{PrefixSet, TagSnapshot, bundle},
    config::{Cloud, REGISTRY_TAG, STORAGE_TAG},
};
use lab::{
    Lab,
    fixtures::enforcer::{Enforcer, configuration},
};
use test_data::Random;

/// Number of addresses of each kind.
const EACH: usize = 16;

/// The bundle, the source of destinations.
pub(crate) struct Targets {
    /// The bundle for the public cloud.
    pub(crate) bundle: TagSnapshot,
    random: Random,
}

/// Addresses of one kind and family.
pub(crate) struct Kind {
    pub(crate) title: &'static str,
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether packets to them are allowed.
    pub(crate) passes: bool,
}

impl Targets {
    /// Reads the bundle.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn load() -> Result<Self> {
        Ok(Self {
            bundle: bundle::load(Cloud::Public)?,
            random: Random::new(0x9e37_79b9_7f4a_7c15),
        })
    }

    pub(crate) fn storage(&self) -> Result<&PrefixSet> {
        Ok(self.bundle.family(STORAGE_TAG)?)
    }

    pub(crate) fn registries(&self) -> Result<&PrefixSet> {
        Ok(self.bundle.family(REGISTRY_TAG)?)
    }

    /// Returns two addresses for contoso in the prefixes of registries, one of each family.
    ///
    /// # Errors
    /// When a family has no prefix.
    pub(crate) fn allowed(&self) -> Result<[IpAddr; 2]> {
        let registries = self.registries()?;
        let v4 = registries.v4().first().context("no registry over IPv4")?;
        let v6 = registries.v6().first().context("no registry over IPv6")?;
        Ok([v4.network().into(), v6.network().into()])
    }

    /// Returns a storage address.
    ///
    /// # Errors
    /// When the bundle has no IPv4 prefix of storage.
    pub(crate) fn denied_v4(&self) -> Result<IpAddr> {
        let storage = self
            .storage()?
            .v4()
            .first()
            .context("no storage over IPv4")?;
        Ok(storage.network().into())
    }

    /// Returns every kind of destination.
    ///
    /// # Errors
    /// As [`Targets::allowed`].
    pub(crate) fn kinds(&mut self) -> Result<Vec<Kind>> {
        let [allowed_v4, allowed_v6] = self.allowed()?;
        let kind = |title, addresses, passes| Kind {
            title,
            addresses,
            passes,
        };
        let (near_v4, near_v6) = (self.near_misses(false)?, self.near_misses(true)?);
        let (denied_v4, denied_v6) = (self.denied(false)?, self.denied(true)?);
        Ok(vec![
            kind(
                "IPv4, elsewhere",
                self.elsewhere(EACH, Self::random_v4),
                true,
            ),
            kind("IPv4, next to a storage prefix", near_v4, true),
            kind("IPv4, allowed registry", vec![allowed_v4], true),
            kind("IPv4, storage: denied", denied_v4, false),
            kind(
                "IPv6, elsewhere",
                self.elsewhere(EACH, Self::random_v6),
                true,
            ),
            kind("IPv6, next to a storage prefix", near_v6, true),
            kind("IPv6, allowed registry", vec![allowed_v6], true),
            kind("IPv6, storage: denied", denied_v6, false),
        ])
    }

    /// Returns `count` random IPv4 addresses in no prefix of the bundle.
    pub(crate) fn internet(&mut self, count: usize) -> Vec<IpAddr> {
        self.elsewhere(count, Self::random_v4)
    }

    /// Returns addresses directly after a storage prefix that are in no prefix.
    ///
    /// # Errors
    /// When the bundle has no such tag.
    pub(crate) fn near_misses(&self, v6: bool) -> Result<Vec<IpAddr>> {
        let storage = self.storage()?;
        let ends: Vec<IpAddr> = if v6 {
            let ends = storage.v6().iter().map(|net| u128::from(net.broadcast()));
            ends.map(|end| Ipv6Addr::from(end.wrapping_add(1)).into())
                .collect()
        } else {
            let ends = storage.v4().iter().map(|net| u32::from(net.broadcast()));
            ends.map(|end| Ipv4Addr::from(end.wrapping_add(1)).into())
                .collect()
        };
        let misses = ends.into_iter().filter(|address| !self.covers(*address));
        Ok(spread(misses.collect()))
    }

    fn denied(&self, v6: bool) -> Result<Vec<IpAddr>> {
        let storage = self.storage()?;
        Ok(spread(if v6 {
            storage
                .v6()
                .iter()
                .map(|net| net.network().into())
                .collect()
        } else {
            storage
                .v4()
                .iter()
                .map(|net| net.network().into())
                .collect()
        }))
    }

    fn elsewhere(&mut self, count: usize, random: fn(&mut Self) -> IpAddr) -> Vec<IpAddr> {
        let mut found = Vec::new();
        while found.len() < count {
            let address = random(self);
            if !self.covers(address) {
                found.push(address);
            }
        }
        found
    }

    fn covers(&self, address: IpAddr) -> bool {
        let mut families = self.bundle.families.values();
        families.any(|prefixes| prefixes.contains(address))
    }

    /// Returns an address in 11.0.0.0–99.255.255.255, which is all globally routable.
    fn random_v4(&mut self) -> IpAddr {
        let [_, second, third, fourth, pick, ..] = self.random.number().to_be_bytes();
        IpAddr::from([11 + pick % 89, second, third, fourth])
    }

    /// Returns an address in 2000::/4, the part of the global unicast space in use.
    fn random_v6(&mut self) -> IpAddr {
        let bits = self.random.wide();
        Ipv6Addr::from(bits >> 4 | 2 << 124).into()
    }
}

/// Returns at most [`EACH`] elements, evenly spread over the list.
fn spread(all: Vec<IpAddr>) -> Vec<IpAddr> {
    let step = (all.len() / EACH).max(1);
    all.into_iter().step_by(step).take(EACH).collect()
}

/// Returns the lab's configuration for contoso with `regions`, with the bundle instead of the lab's service tags, and with `protected` addresses.
pub(crate) fn with_bundle(
    lab: &Lab,
    enforcer: &Enforcer,
    regions: &[&str],
    protected: &[IpAddr],
) -> Result<String> {
    let config = enforcer.config();
    let directory = config.parent().unwrap_or(Path::new("/"));
    let text = configuration(lab, directory, regions, "");
    let prefixes: Vec<String> = protected.iter().map(|ip| format!("\"{ip}/32\"")).collect();
    let cidrs = format!("cidrs = [{}]", prefixes.join(", "));
    let is_tags = |line: &&str| line.starts_with("service-tags");
    ensure!(
        text.lines().any(|line| is_tags(&line)),
        "the lab's configuration names no service tags"
    );
    let lines: Vec<&str> = text
        .lines()
        .map(|line| if is_tags(&line) { &cidrs } else { line })
        .collect();
    Ok(lines.join("\n") + "\n")
}
