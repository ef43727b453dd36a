//! Replicas of contoso's registry that come and go, and the files that say so.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::json;

use crate::{
    Lab,
    world::{REPLICAS, Region, service_tags::change_number},
};

/// Lifetime of a data endpoint's address, in seconds: short, as replicas of these tests follow each other quickly.
const TTL: u32 = 1;

/// A replica of contoso's registry.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Where it is.
    pub region: Region,
    /// The name of its data endpoint.
    pub host: String,
    /// The addresses of its data endpoint.
    pub addresses: [IpAddr; 2],
}

impl Replica {
    /// The replica of a number below 2,000: the regions take turns, and no two replicas have an address in common.
    #[must_use]
    pub fn number(number: u16) -> Self {
        let at = number % REPLICAS.len() as u16;
        let region = REPLICAS[usize::from(at)];
        let last = 1 + number / REPLICAS.len() as u16;
        Self {
            host: data_endpoint(region.name),
            addresses: [
                Ipv4Addr::from_bits(
                    Ipv4Addr::new(198, 18, 0, 0).to_bits() | u32::from(at << 8 | last),
                )
                .into(),
                Ipv6Addr::new(0x2001, 0xdb8, 0xacc, 0x90 + at, 0, 0, 0, last).into(),
            ],
            region,
        }
    }

    /// Gives the name of its data endpoint an address, by way of the machine that serves it.
    ///
    /// # Errors
    /// When the name servers do not take it.
    pub fn appear(&self, lab: &Lab) -> Result<()> {
        let machine = format!("d0223.{}.cloudapp.azure.com", self.region.name);
        lab.dns().set_addresses(&machine, &self.addresses, TTL)?;
        lab.dns().set_alias(&self.host, &machine, TTL)
    }

    /// Removes the name of its data endpoint.
    ///
    /// # Errors
    /// When the name servers do not take it.
    pub fn disappear(&self, lab: &Lab) -> Result<()> {
        lab.dns().remove(&self.host)
    }
}

/// The name of contoso's data endpoint in a region.
#[must_use]
pub fn data_endpoint(region: &str) -> String {
    format!("contoso.{region}.data.azurecr.io")
}

/// What `az acr show-endpoints` prints for contoso with replicas in these regions.
#[must_use]
pub fn endpoints(regions: &[&str]) -> String {
    let entries: Vec<_> = regions
        .iter()
        .map(|region| json!({ "region": region, "endpoint": data_endpoint(region) }))
        .collect();
    format!(
        "{:#}\n",
        json!({ "loginServer": "contoso.azurecr.io", "dataEndpoints": entries })
    )
}

/// How a file is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Another file is renamed over it, as editors and configuration management do.
    Rename,
    /// It is a symbolic link through a directory `..data`, which is a symbolic link itself and renamed over, as Kubernetes does.
    Symlink,
    /// It is emptied and written again.
    InPlace,
}

/// A file that is replaced while somebody watches it, in a directory of its own.
#[derive(Debug)]
pub struct WatchedFile {
    directory: PathBuf,
    way: Way,
}

impl WatchedFile {
    /// Makes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(directory: PathBuf, way: Way, text: &str) -> Result<Self> {
        fs::create_dir(&directory).context("make a watched directory")?;
        let file = Self { directory, way };
        if way == Way::Symlink {
            symlink("..data/file.json", file.path()).context("make a watched file")?;
        }
        file.replace(text)?;
        Ok(file)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join("file.json")
    }

    /// Replaces its content in its way.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(&self, text: &str) -> Result<()> {
        match self.way {
            Way::Rename => self.replace_by_rename(text),
            Way::Symlink => self.replace_by_symlink(text),
            Way::InPlace => fs::write(self.path(), text),
        }
        .with_context(|| format!("replace {}", self.path().display()))
    }

    fn replace_by_rename(&self, text: &str) -> std::io::Result<()> {
        let next = self.directory.join(".file.json.new");
        fs::write(&next, text)?;
        fs::rename(next, self.path())
    }

    fn replace_by_symlink(&self, text: &str) -> std::io::Result<()> {
        let data = self.directory.join("..data");
        let old = fs::read_link(&data).ok();
        let made = tempfile::Builder::new()
            .prefix("..")
            .tempdir_in(&self.directory)?
            .keep();
        fs::write(made.join("file.json"), text)?;
        let next = self.directory.join("..data_tmp");
        symlink(made.file_name().unwrap_or_default(), &next)?;
        fs::rename(next, data)?;
        old.map_or(Ok(()), |old| fs::remove_dir_all(self.directory.join(old)))
    }
}

/// The text of a file as plain JSON, with the change number of another of the lab's publications.
///
/// # Errors
/// When the file is no service-tags file.
pub fn renumbered(file: &Path, publication: u32) -> Result<serde_json::Value> {
    let text = fs::read(file).context("read service tags")?;
    let mut tags: serde_json::Value = serde_json::from_slice(&text)?;
    tags["changeNumber"] = change_number(publication).into();
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_of_one_region_differ_in_their_addresses() {
        let (first, second) = (Replica::number(1), Replica::number(9));
        assert_eq!(first.region, second.region);
        assert_eq!(first.addresses[0].to_string(), "198.18.1.1");
        assert_eq!(second.addresses[0].to_string(), "198.18.1.2");
    }

    #[test]
    fn every_way_leaves_the_new_content() {
        let scratch = tempfile::tempdir().unwrap();
        for way in [Way::Rename, Way::Symlink, Way::InPlace] {
            let directory = scratch.path().join(format!("{way:?}"));
            let file = WatchedFile::new(directory, way, "old").unwrap();
            file.replace("new").unwrap();
            file.replace("newest").unwrap();
            assert_eq!(fs::read_to_string(file.path()).unwrap(), "newest");
        }
    }
}
