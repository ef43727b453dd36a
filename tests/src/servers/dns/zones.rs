//! The zones of the authoritative server.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// The zones. The last one, the root, makes every other name NXDOMAIN.
const ZONES: [&str; 12] = [
    "azurecr.io",
    "azcr.io",
    "trafficmanager.net",
    "cloudapp.azure.com",
    "azure.com",
    "microsoftonline.com",
    "core.windows.net",
    "storage.azure.net",
    "contoso.com",
    "mallory.com",
    "example.org",
    ".",
];

/// The records of a fresh lab: name, TTL, type, value.
const FRESH_LAB: &str = include_str!("../../../lab/names.txt");

#[derive(Debug)]
enum Record {
    Alias {
        target: String,
        ttl: u32,
    },
    Addresses {
        addresses: Vec<IpAddr>,
        ttl: u32,
        rotate: bool,
    },
}

/// All records by name, in lower case and without the final dot.
#[derive(Debug)]
pub(super) struct Zones {
    records: BTreeMap<String, Record>,
}

impl Zones {
    pub(super) fn fresh() -> Result<Self> {
        let mut zones = Self {
            records: BTreeMap::new(),
        };
        let lines = FRESH_LAB
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            zones
                .add(line)
                .with_context(|| format!("a line of names.txt: {line}"))?;
        }
        Ok(zones)
    }

    fn add(&mut self, line: &str) -> Result<()> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, ttl, kind, value] = fields[..] else {
            bail!("not four fields")
        };
        let ttl = ttl.parse().context("a TTL")?;
        if kind == "CNAME" {
            self.set_alias(name, value, ttl)?;
            return Ok(());
        }
        let mut addresses = match self.records.get(name) {
            Some(Record::Addresses { addresses, .. }) => addresses.clone(),
            Some(Record::Alias { .. }) | None => Vec::new(),
        };
        addresses.push(value.parse().context("an address")?);
        self.set_addresses(name, &addresses, ttl, false)?;
        Ok(())
    }

    /// Returns the zone that changed, as the other mutators do.
    pub(super) fn set_addresses(
        &mut self,
        name: &str,
        addresses: &[IpAddr],
        ttl: u32,
        rotate: bool,
    ) -> Result<&'static str> {
        let owner = self.owner(name);
        let record = Record::Addresses {
            addresses: addresses.to_vec(),
            ttl,
            rotate,
        };
        self.insert(owner, record)
    }

    pub(super) fn set_alias(&mut self, name: &str, target: &str, ttl: u32) -> Result<&'static str> {
        self.insert(
            name.to_owned(),
            Record::Alias {
                target: target.to_owned(),
                ttl,
            },
        )
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<&'static str> {
        self.records
            .remove(name)
            .with_context(|| format!("the lab has no name {name}"))?;
        zone_of(name)
    }

    pub(super) fn write_all(&self, dir: &Path) -> Result<()> {
        ZONES.iter().try_for_each(|zone| self.write(zone, dir))
    }

    pub(super) fn write(&self, zone: &str, dir: &Path) -> Result<()> {
        let path = file_of(zone, dir);
        fs::write(&path, self.text(zone)?).with_context(|| format!("write {}", path.display()))
    }

    fn insert(&mut self, name: String, record: Record) -> Result<&'static str> {
        let zone = zone_of(&name)?;
        self.records.insert(name, record);
        Ok(zone)
    }

    /// Returns the name at the end of the alias chain; gives up on a cycle.
    fn owner(&self, name: &str) -> String {
        let mut owner = name;
        for _link in 0..self.records.len() {
            match self.records.get(owner) {
                Some(Record::Alias { target, .. }) => owner = target,
                Some(Record::Addresses { .. }) | None => break,
            }
        }
        owner.to_owned()
    }

    /// Returns a zone file (RFC 1035, section 5).
    fn text(&self, zone: &str) -> Result<String> {
        let mut text = String::from(
            "@ 300 IN SOA ns.invalid. hostmaster.invalid. 1 3600 600 86400 5\n\
             @ 300 IN NS ns.invalid.\n",
        );
        for (name, record) in &self.records {
            if zone_of(name)? == zone {
                write_record(&mut text, name, record)?;
            }
        }
        Ok(text)
    }
}

/// Returns the configuration of PowerDNS's bind back end.
pub(super) fn named_conf(dir: &Path) -> String {
    let zone = |zone: &&str| {
        format!(
            "zone \"{zone}\" {{ type native; file \"{}\"; }};\n",
            file_of(zone, dir).display()
        )
    };
    ZONES.iter().map(zone).collect()
}

fn file_of(zone: &str, dir: &Path) -> PathBuf {
    dir.join(if zone == "." {
        "root.zone".to_owned()
    } else {
        format!("{zone}.zone")
    })
}

fn zone_of(name: &str) -> Result<&'static str> {
    let holds = |zone: &&&str| {
        name.strip_suffix(**zone)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    match ZONES.iter().find(holds) {
        Some(zone) => Ok(zone),
        None => bail!("{name} is in none of the lab's zones: {}", ZONES.join(", ")),
    }
}

fn write_record(text: &mut String, name: &str, record: &Record) -> Result<()> {
    match record {
        Record::Alias { target, ttl } => writeln!(text, "{name}. {ttl} IN CNAME {target}.")?,
        Record::Addresses {
            addresses,
            ttl,
            rotate: false,
        } => {
            for address in addresses {
                writeln!(text, "{name}. {ttl} IN {} {address}", kind(address))?;
            }
        }
        Record::Addresses {
            addresses,
            ttl,
            rotate: true,
        } => {
            for wanted in ["A", "AAAA"] {
                let family: Vec<String> = addresses
                    .iter()
                    .filter(|address| kind(address) == wanted)
                    .map(|address| format!("'{address}'"))
                    .collect();
                if !family.is_empty() {
                    writeln!(
                        text,
                        "{name}. {ttl} IN LUA {wanted} \"{}\"",
                        rotating(&family)
                    )?;
                }
            }
        }
    }
    Ok(())
}

fn kind(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "A" } else { "AAAA" }
}

/// Returns a Lua record that rotates addresses; one counter for all names and families is sufficient.
fn rotating(addresses: &[String]) -> String {
    let list = addresses.join(",");
    format!(";turn=(turn or 0)+1 local all={{{list}}} return all[turn % #all + 1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_addresses_changes_the_name_at_the_end_of_the_alias_chain() {
        let mut zones = Zones::fresh().unwrap();
        let address = IpAddr::from([198, 51, 100, 11]);
        let zone = zones
            .set_addresses("contoso.azurecr.io", &[address], 10, false)
            .unwrap();
        assert_eq!(zone, "cloudapp.azure.com");
        let text = zones.text(zone).unwrap();
        assert!(text.contains("r0330eus-3.eastus.cloudapp.azure.com. 10 IN A 198.51.100.11\n"));
        assert!(!text.contains("198.51.100.10\n"));
    }

    #[test]
    fn a_name_outside_the_zones_is_an_error() {
        let mut zones = Zones::fresh().unwrap();
        let error = zones
            .set_alias("notazurecr.io", "contoso.azurecr.io", 1)
            .unwrap_err();
        assert!(
            error.to_string().contains("none of the lab's zones"),
            "{error}"
        );
    }
}
