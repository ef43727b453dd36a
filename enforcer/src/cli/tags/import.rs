//! `tags import`: validates a published file and puts it where the configuration looks for it, whole or not at all.

use std::fmt;
use std::fs::{self, FileTimes};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use jiff::tz::Offset;
use serde::Serialize;

use crate::azure::tags::{
    check_against_bundle, check_complete, check_not_older, import as read_tags, read,
};
use crate::azure::{TagError, TagSnapshot, bundle, snapshot, wanted};
use crate::cli::args::OutputArgs;
use crate::cli::exit::Exit;
use crate::cli::places::Places;
use crate::cli::plan::compile_for_nobody;
use crate::cli::printer::Printer;
use crate::config::{Config, Protect};
use crate::daemon::{Sources, force_tags, forget_tags, kept_tags, unforce_tags};
use crate::state::write_whole;

/// Imports `file`; one that is older than the tags in force or the bundle, or lacks what they have, only with `force`.
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
    let kept = kept_tags(&config.paths.state, &config.protect);
    let fault = fault(kept.iter().chain([&current]), &tags);
    if let Some(fault) = fault.as_ref().filter(|_| !force) {
        bail!("not imported (--force takes it all the same): {fault}");
    }
    let published = published(&tags, file);
    let imported = Imported {
        older: tags.change_number < current.change_number,
        place,
        change_number: tags.change_number,
        date: tags.date.map(|date| date.to_string()),
        change_number_before: current.change_number,
        from_before: current.origin.to_string(),
        forced: fault.as_ref().map(ToString::to_string),
    };
    let state = config.paths.state.clone();
    compile_for_nobody(&Sources::of_tags(config, tags.clone()))?;
    let in_state = || format!("cannot record --force in {}", state.display());
    if fault.is_some() {
        force_tags(&state, &tags).with_context(in_state)?;
    }
    let written = write_whole(&imported.place, 0o644, |new| {
        new.write_all(&bytes)?;
        // The place's name need not have the date that the file's name has.
        new.set_times(FileTimes::new().set_modified(published))
    });
    written.with_context(|| format!("cannot write {}", imported.place.display()))?;
    if fault.is_none() {
        unforce_tags(&state).with_context(in_state)?;
    }
    if force {
        // Newer ones that a URL gave would win at the next start.
        forget_tags(&state)
            .with_context(|| format!("cannot remove the tags kept in {}", state.display()))?;
    }
    Ok(imported)
}

/// What is wrong with `tags` compared with the bundle and with each of `others`: those in place, and those that a daemon kept.
fn fault<'a>(
    others: impl IntoIterator<Item = &'a TagSnapshot>,
    tags: &TagSnapshot,
) -> Option<TagError> {
    let compare = |other| check_not_older(other, tags).and_then(|()| check_complete(other, tags));
    let checked = check_against_bundle(tags);
    let checked = checked.and_then(|()| others.into_iter().try_for_each(compare));
    checked.err()
}

/// The tags that the configuration calls for so far; the bundle before the first import, in place of older or smaller ones, and with `force`
/// in place of a damaged file.
fn current(protect: &Protect, force: bool) -> Result<TagSnapshot, TagError> {
    match snapshot(protect) {
        Err(TagError::Unreadable { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            bundle::load(protect.cloud)
        }
        Err(_) if force => bundle::load(protect.cloud),
        Ok(tags) if check_against_bundle(&tags).is_err() => bundle::load(protect.cloud),
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
    /// Why only `--force` took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    forced: Option<String>,
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
        if let Some(forced) = &self.forced {
            writeln!(
                formatter,
                "taken with --force, so the alarm tags-forced stands: {forced}"
            )?;
        }
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
    use crate::azure::test_data::{self, later, thinned};
    use crate::config::STORAGE_TAG;
    use crate::daemon::{Options, Source};

    /// A published file of `tags`.
    fn published_file(directory: &Path, tags: &TagSnapshot) -> PathBuf {
        let file = directory.join("ServiceTags_Public_20261102.json");
        fs::write(&file, test_data::published(tags)).unwrap();
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
        let file = published_file(directory.path(), &later(425));
        let config = config(&directory, "service-tags = \"tags.json\"");
        let imported = put(config, &file, false).unwrap();
        assert_eq!((imported.change_number, imported.older), (425, false));
        let place = directory.path().join("tags.json");
        assert_eq!(fs::read(&place).unwrap(), fs::read(&file).unwrap());
        let written = fs::metadata(&place).unwrap().modified().unwrap();
        let written = jiff::Timestamp::try_from(written).unwrap();
        assert_eq!(written.to_string(), "2026-11-02T00:00:00Z");
        let protect = self::config(&directory, "service-tags = \"tags.json\"").protect;
        let date = snapshot(&protect).unwrap().date.unwrap();
        assert_eq!(date.to_string(), "2026-11-02", "so that it grows old by it");
    }

    #[test]
    fn an_older_file_needs_force() {
        let directory = tempfile::tempdir().unwrap();
        let file = published_file(directory.path(), &later(305));
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
        let told = forced.to_string();
        assert!(
            told.contains("taken with --force") && told.contains("change 403 or later"),
            "{told}"
        );
    }

    /// What a start reads of the imported file: its change number, and the kind of alarm.
    fn in_force(config: Config) -> (u32, Option<&'static str>) {
        let sources = Sources::read(&Options {
            source: Source::Given(Box::new(config)),
            audit: false,
            ephemeral: false,
            scope: None,
        });
        let sources = sources.unwrap();
        (
            sources.tags.change_number,
            sources.tags_concern().map(|(kind, _)| kind),
        )
    }

    #[test]
    fn what_was_forced_is_in_force_with_an_alarm_and_the_same_put_there_otherwise_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let parsed = || config(&directory, "service-tags = \"tags.json\"");
        let older = later(305);
        let ipv4_only = thinned(later(425), STORAGE_TAG, |prefix| prefix.addr().is_ipv4());
        let few = thinned(later(425), STORAGE_TAG, |prefix| prefix.prefix_len() != 16);
        let mut no_regions = later(425);
        no_regions.registry_regions.clear();
        for tags in [older, ipv4_only, few, no_regions] {
            let file = published_file(directory.path(), &tags);
            fs::copy(&file, directory.path().join("tags.json")).unwrap();
            assert_eq!(in_force(parsed()), (403, Some("tags-replaced")));
            let refused = put(parsed(), &file, false).unwrap_err().to_string();
            assert!(refused.starts_with("not imported (--force"), "{refused}");
            put(parsed(), &file, true).unwrap();
            assert_eq!(
                in_force(parsed()),
                (tags.change_number, Some("tags-forced"))
            );
            put(
                parsed(),
                &published_file(directory.path(), &later(426)),
                false,
            )
            .unwrap();
            assert_eq!(in_force(parsed()), (426, None));
        }
    }

    #[test]
    fn a_refused_file_leaves_the_one_in_place() {
        let directory = tempfile::tempdir().unwrap();
        let file = published_file(directory.path(), &later(425));
        let parsed = || config(&directory, "service-tags = \"tags.json\"");
        put(parsed(), &file, false).unwrap();
        let good = fs::read(directory.path().join("tags.json")).unwrap();
        fs::write(
            &file,
            fs::read_to_string(&file).unwrap().replace("/32\"", "/33\""),
        )
        .unwrap();
        put(parsed(), &file, true).unwrap_err();
        assert_eq!(fs::read(directory.path().join("tags.json")).unwrap(), good);
    }

    #[test]
    fn without_a_place_the_mend_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = published_file(directory.path(), &later(425));
        let refused = put(config(&directory, ""), &file, false).unwrap_err();
        assert!(
            refused.to_string().contains("add service-tags ="),
            "{refused}"
        );
    }
}
