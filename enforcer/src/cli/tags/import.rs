//! `tags import`: validates a published file and puts it where the configuration looks for it, whole or not at all.

use std::fmt;
use std::fs::{self, FileTimes};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use jiff::tz::Offset;
use serde::Serialize;

use crate::azure::tags::{check_successor, import as read_tags, read};
use crate::azure::{TagError, TagSnapshot, bundle, snapshot, wanted};
use crate::cli::args::OutputArgs;
use crate::cli::exit::Exit;
use crate::cli::places::Places;
use crate::cli::plan::compile_for_nobody;
use crate::cli::printer::Printer;
use crate::config::{Config, Protect};
use crate::daemon::{Sources, forget_tags};
use crate::state::write_whole;

/// Imports `file`; an older one than that in force only with `force`.
pub(super) fn import(
    places: &Places,
    file: &Path,
    force: bool,
    output: OutputArgs,
) -> Result<Exit> {
    let imported = put(places.config()?, file, force)?;
    Printer::stdout(output.json).report(&imported)?;
    Ok(Exit::Done)
}

fn put(config: Config, file: &Path, force: bool) -> Result<Imported> {
    let Some(place) = config.protect.service_tags.clone() else {
        bail!(
            "the configuration names no place for service tags: add service-tags = \"/etc/egress-enforcer/ServiceTags_Public.json\" under [protect], then import again"
        );
    };
    let bytes = read(file)?;
    let tags = read_tags(&bytes, file, config.protect.cloud, &wanted(&config.protect))?;
    let current = current(&config.protect, force)?;
    check_successor(&current, &tags, force)
        .context("not imported (--force takes it all the same)")?;
    let published = published(&tags, file);
    let imported = Imported {
        older: tags.change_number < current.change_number,
        place,
        change_number: tags.change_number,
        date: tags.date.map(|date| date.to_string()),
        change_number_before: current.change_number,
        from_before: current.origin.to_string(),
    };
    let state = config.paths.state.clone();
    compile_for_nobody(&Sources::of_tags(config, tags))?;
    let written = write_whole(&imported.place, 0o644, |new| {
        new.write_all(&bytes)?;
        // The place's name need not have the date that the file's name has.
        new.set_times(FileTimes::new().set_modified(published))
    });
    written.with_context(|| format!("cannot write {}", imported.place.display()))?;
    if force {
        // Newer ones that a URL gave would win at the next start.
        forget_tags(&state)
            .with_context(|| format!("cannot remove the tags kept in {}", state.display()))?;
    }
    Ok(imported)
}

/// The tags that the configuration calls for so far. Before the first import, and with `force` in place of a damaged file, the bundle.
fn current(protect: &Protect, force: bool) -> Result<TagSnapshot, TagError> {
    match snapshot(protect) {
        Err(TagError::Unreadable { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            bundle::load(protect.cloud)
        }
        Err(_) if force => bundle::load(protect.cloud),
        found => found,
    }
}

/// When the tags were published: the day in the file's name, else when the file was written.
fn published(tags: &TagSnapshot, file: &Path) -> SystemTime {
    let midnight = tags
        .date
        .and_then(|date| Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok())
        .and_then(|midnight| SystemTime::try_from(midnight).ok());
    midnight.unwrap_or_else(|| {
        let metadata = fs::metadata(file).and_then(|metadata| metadata.modified());
        metadata.unwrap_or_else(|_| SystemTime::now())
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Imported {
    place: PathBuf,
    change_number: u32,
    date: Option<String>,
    older: bool,
    change_number_before: u32,
    from_before: String,
}

impl fmt::Display for Imported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self
            .date
            .as_ref()
            .map_or(String::new(), |date| format!(", {date}"));
        writeln!(
            formatter,
            "{}: change {}{date} (before: change {}, from {})",
            self.place.display(),
            self.change_number,
            self.change_number_before,
            self.from_before
        )?;
        let next = if self.older {
            "a running daemon does not go back by itself: systemctl restart egress-enforcer"
        } else {
            "a running daemon takes it up within a second: see `egress-enforcer tags show`"
        };
        writeln!(formatter, "{next}")
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A published file with one prefix of each kind.
    fn published_file(directory: &Path, change_number: u32, storage: &str) -> PathBuf {
        let tag = |name: &str, prefix: &str| {
            format!(
                r#"{{"name":"{name}","id":"{name}","properties":{{"changeNumber":1,"region":"","regionId":0,"platform":"Azure","systemService":"","addressPrefixes":["{prefix}"],"networkFeatures":null}}}}"#
            )
        };
        let tags = [
            tag("Storage", storage),
            tag("AzureContainerRegistry", "20.42.66.0/24"),
        ];
        let text = format!(
            r#"{{"changeNumber":{change_number},"cloud":"Public","values":[{}]}}"#,
            tags.join(",")
        );
        let file = directory.join("ServiceTags_Public_20260105.json");
        fs::write(&file, text).unwrap();
        file
    }

    fn config(directory: &TempDir, protect: &str) -> Config {
        let state = directory.path().display();
        let text = format!("registry = []\n[protect]\n{protect}\n[paths]\nstate = \"{state}\"\n");
        crate::config::parse(&text, &directory.path().join("config.toml")).unwrap()
    }

    #[test]
    fn a_newer_file_takes_the_place_with_its_date() {
        let directory = tempfile::tempdir().unwrap();
        let file = published_file(directory.path(), 400, "20.38.98.0/24");
        let config = config(&directory, "service-tags = \"tags.json\"");
        let imported = put(config, &file, false).unwrap();
        assert_eq!((imported.change_number, imported.older), (400, false));
        let place = directory.path().join("tags.json");
        assert_eq!(fs::read(&place).unwrap(), fs::read(&file).unwrap());
        let written = fs::metadata(&place).unwrap().modified().unwrap();
        let written = jiff::Timestamp::try_from(written).unwrap();
        assert_eq!(written.to_string(), "2026-01-05T00:00:00Z");
        let protect = self::config(&directory, "service-tags = \"tags.json\"").protect;
        let date = snapshot(&protect).unwrap().date.unwrap();
        assert_eq!(date.to_string(), "2026-01-05", "so that it grows old by it");
    }

    #[test]
    fn an_older_file_needs_force() {
        let directory = tempfile::tempdir().unwrap();
        let file = published_file(directory.path(), 1, "20.38.98.0/24");
        let parsed = || config(&directory, "service-tags = \"tags.json\"");
        let refused = put(parsed(), &file, false).unwrap_err();
        assert!(refused.to_string().contains("--force"), "{refused}");
        assert!(!directory.path().join("tags.json").exists());
        let kept = directory.path().join("service-tags.bundle");
        fs::write(&kept, "newer ones that a URL gave").unwrap();
        let forced = put(parsed(), &file, true).unwrap();
        assert!(
            forced.older && forced.to_string().contains("restart"),
            "{forced}"
        );
        assert!(!kept.exists(), "they would win at the next start");
    }

    #[test]
    fn a_refused_file_leaves_the_one_in_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = published_file(directory.path(), 400, "20.38.98.0/24");
        let parsed = || config(&directory, "service-tags = \"tags.json\"");
        put(parsed(), &file, false).unwrap();
        let good = fs::read(directory.path().join("tags.json")).unwrap();
        let file = published_file(directory.path(), 500, "20.38.98.1/24");
        put(parsed(), &file, true).unwrap_err();
        assert_eq!(fs::read(directory.path().join("tags.json")).unwrap(), good);
    }

    #[test]
    fn without_a_place_the_mend_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = published_file(directory.path(), 400, "20.38.98.0/24");
        let refused = put(config(&directory, ""), &file, false).unwrap_err();
        assert!(
            refused.to_string().contains("add service-tags ="),
            "{refused}"
        );
    }
}
