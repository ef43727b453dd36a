//! `tags import`: validates a published file and atomically writes it to protect.service-tags.

use std::fs::{self, FileTimes};
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use jiff::tz::Offset;

use super::imported::Imported;
use crate::azure::tags::{
    check_against_bundle, check_complete, check_not_older, import as read_tags, read,
};
use crate::azure::{TagError, TagSnapshot, bundle, configured_tags, required_tags};
use crate::cli::args::OutputArgs;
use crate::cli::config_file::ConfigFile;
use crate::cli::exit::Exit;
use crate::cli::printer::Printer;
use crate::config::{Config, Protect};
use crate::doctor::host::configuration::check_capacity;
use crate::sources::{Sources, force_tags, forget_tags, persisted_tags, unforce_tags};
use crate::state::write_whole;

/// The error where the configuration does not name a file for the tags.
const NO_PLACE: &str = "the configuration does not set protect.service-tags: add service-tags = \"/etc/egress-enforcer/ServiceTags_Public.json\" under [protect], then import again";

/// Imports `file`; without `force` not one that is older than the tags in force or the bundle, or lacks prefixes of them.
pub(super) fn import(
    config: &ConfigFile,
    file: &Path,
    force: bool,
    output: OutputArgs,
) -> Result<Exit> {
    let imported = import_file(config.load()?, file, force)?;
    Printer::stdout(output.json).report(&imported)?;
    Ok(Exit::Done)
}

fn import_file(config: Config, file: &Path, force: bool) -> Result<Imported> {
    let place = config.protect.service_tags.clone();
    let place = place.context(NO_PLACE)?;
    let bytes = read(file)?;
    let tags = read_tags(
        &bytes,
        file,
        config.protect.cloud,
        &required_tags(&config.protect),
    )?;
    let current = current(&config.protect, force)?;
    let kept = persisted_tags(&config.paths.state, &config.protect);
    let fault = fault(kept.iter().chain([&current]), &tags);
    if let Some(fault) = fault.as_ref().filter(|_| !force) {
        bail!("not imported (--force imports it anyway): {fault}");
    }
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
    check_capacity(&Sources::of_tags(config, tags.clone()))?;
    if fault.is_some() {
        force_tags(&state, &tags).with_context(|| not_recorded(&state))?;
    }
    write_tags(&imported.place, &bytes, published(&tags, file))?;
    if fault.is_none() {
        unforce_tags(&state).with_context(|| not_recorded(&state))?;
    }
    if force {
        // Newer ones, downloaded from a URL, would replace the import at the next start.
        forget_tags(&state)
            .with_context(|| format!("cannot remove the persisted tags in {}", state.display()))?;
    }
    Ok(imported)
}

fn not_recorded(state: &Path) -> String {
    format!("cannot record --force in {}", state.display())
}

/// Writes the tags with the modification time `published`, because the name in protect.service-tags need not contain the date.
fn write_tags(place: &Path, bytes: &[u8], published: SystemTime) -> Result<()> {
    let written = write_whole(place, 0o644, |new| {
        new.write_all(bytes)?;
        new.set_times(FileTimes::new().set_modified(published))
    });
    written.with_context(|| format!("cannot write {}", place.display()))
}

/// Compares `tags` with the bundle and with `others`, the tags in place and those that a daemon persisted, and returns what is wrong.
fn fault<'a>(
    others: impl IntoIterator<Item = &'a TagSnapshot>,
    tags: &TagSnapshot,
) -> Option<TagError> {
    let compare = |other| check_not_older(other, tags).and_then(|()| check_complete(other, tags));
    let checked = check_against_bundle(tags);
    let checked = checked.and_then(|()| others.into_iter().try_for_each(compare));
    checked.err()
}

/// Returns the tags that the configuration names now. The bundle replaces a missing file, older or smaller tags and, with `force`, a damaged
/// file.
fn current(protect: &Protect, force: bool) -> Result<TagSnapshot, TagError> {
    match configured_tags(protect) {
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

/// Returns when the tags were published: the date in the file's name, else its modification time.
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;
    use crate::azure::test_data::{self, later, thinned};
    use crate::config::STORAGE_TAG;
    use crate::core::AlarmKind;
    use crate::doctor::host::configuration::read_sources;
    use crate::sources::Source;

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
    fn a_newer_file_replaces_the_one_in_place_and_keeps_its_date() {
        let directory = tempfile::tempdir().unwrap();
        let file = published_file(directory.path(), &later(425));
        let config = config(&directory, "service-tags = \"tags.json\"");
        let imported = import_file(config, &file, false).unwrap();
        assert_eq!((imported.change_number, imported.older), (425, false));
        let place = directory.path().join("tags.json");
        assert_eq!(fs::read(&place).unwrap(), fs::read(&file).unwrap());
        let written = fs::metadata(&place).unwrap().modified().unwrap();
        let written = jiff::Timestamp::try_from(written).unwrap();
        assert_eq!(written.to_string(), "2026-11-02T00:00:00Z");
        let protect = self::config(&directory, "service-tags = \"tags.json\"").protect;
        let date = configured_tags(&protect).unwrap().date.unwrap();
        assert_eq!(date.to_string(), "2026-11-02", "its age counts from there");
    }

    #[test]
    fn an_older_file_needs_force() {
        let directory = tempfile::tempdir().unwrap();
        let file = published_file(directory.path(), &later(305));
        let parsed = || config(&directory, "service-tags = \"tags.json\"");
        let refused = import_file(parsed(), &file, false).unwrap_err();
        assert!(refused.to_string().contains("--force"), "{refused}");
        assert!(!directory.path().join("tags.json").exists());
        let kept = directory.path().join("service-tags.bundle");
        fs::write(&kept, "newer ones from a URL").unwrap();
        let forced = import_file(parsed(), &file, true).unwrap();
        assert!(
            forced.older && forced.to_string().contains("restart"),
            "{forced}"
        );
        assert!(!kept.exists(), "they would replace it at the next start");
        let text = forced.to_string();
        assert!(text.contains("imported with --force"), "{text}");
        assert!(text.contains("change 403 or later"), "{text}");
    }

    /// The change number and the kind of alarm after a start with `config`.
    fn in_force(config: Config) -> (u32, Option<&'static str>) {
        let sources = read_sources(Source::CommandLine(Box::new(config))).unwrap();
        (
            sources.tags.change_number,
            sources
                .tags_concern()
                .map(|concern| AlarmKind::of_concern(concern).word()),
        )
    }

    #[test]
    fn forced_tags_are_in_force_with_an_alarm_and_copied_ones_are_not() {
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
            let refused = import_file(parsed(), &file, false).unwrap_err().to_string();
            assert!(refused.starts_with("not imported (--force"), "{refused}");
            import_file(parsed(), &file, true).unwrap();
            assert_eq!(
                in_force(parsed()),
                (tags.change_number, Some("tags-forced"))
            );
            import_file(
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
        import_file(parsed(), &file, false).unwrap();
        let good = fs::read(directory.path().join("tags.json")).unwrap();
        fs::write(
            &file,
            fs::read_to_string(&file).unwrap().replace("/32\"", "/33\""),
        )
        .unwrap();
        import_file(parsed(), &file, true).unwrap_err();
        assert_eq!(fs::read(directory.path().join("tags.json")).unwrap(), good);
    }

    #[test]
    fn without_a_place_the_fix_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = published_file(directory.path(), &later(425));
        let refused = import_file(config(&directory, ""), &file, false).unwrap_err();
        assert!(
            refused.to_string().contains("add service-tags ="),
            "{refused}"
        );
    }
}
