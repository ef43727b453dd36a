//! Check that a release ships no bundle of service tags older than the newest data at hand.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use crate::env;

/// Directory of published files beside the workspace.
const DATA: &str = "../shared/data/service-tags";
/// The bundles, each of one cloud.
const BUNDLES: &str = "enforcer/bundle";
/// A published file begins with its change number and its cloud.
const HEAD: u64 = 512;

/// A cloud, and the change number of a set of its tags.
#[derive(Debug, PartialEq, Eq)]
struct Set {
    cloud: String,
    change_number: u32,
}

/// Compares each bundle with the published files beside the workspace, where there are any.
///
/// # Errors
/// When one is older, or a file cannot be read.
pub(super) fn check() -> Result<()> {
    let data = env::root().join(DATA);
    if !data.is_dir() {
        println!(
            "    NOT RUN: no newer service tags to compare the bundles with: {DATA} is not here"
        );
        return Ok(());
    }
    compare(&env::root().join(BUNDLES), &data)
}

fn compare(bundles: &Path, data: &Path) -> Result<()> {
    let files = files(data, "json")?;
    for bundle in files_of(bundles, "tags")? {
        let text = fs::read_to_string(&bundle).with_context(|| bundle.display().to_string())?;
        let shipped = of_bundle(&text).with_context(|| bundle.display().to_string())?;
        let newer = files.iter().find(|(_, set)| {
            set.cloud == shipped.cloud && set.change_number > shipped.change_number
        });
        if let Some((file, set)) = newer {
            bail!(
                "{} has change {}, and {} has {}: make it from that with `egress-enforcer tags bundle`, and commit it",
                bundle.display(),
                shipped.change_number,
                file.display(),
                set.change_number
            );
        }
        println!(
            "    {}: change {}, none newer at hand",
            bundle.display(),
            shipped.change_number
        );
    }
    Ok(())
}

fn files(directory: &Path, extension: &str) -> Result<Vec<(PathBuf, Set)>> {
    let files = files_of(directory, extension)?.into_iter();
    let read = |file: PathBuf| {
        let set = head(&file).and_then(|head| of_published(&head));
        let set = set.with_context(|| format!("{} is no service-tags file", file.display()))?;
        Ok((file, set))
    };
    files.map(read).collect()
}

fn files_of(directory: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let listed = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    for entry in listed {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("{} has no .{extension} file", directory.display());
    }
    Ok(files)
}

fn head(file: &Path) -> Result<String> {
    let mut head = Vec::new();
    File::open(file)?.take(HEAD).read_to_end(&mut head)?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Reads the start of a published file: `{"changeNumber": 403, "cloud": "Public", "values": [`.
fn of_published(head: &str) -> Result<Set> {
    let head = head.split("\"values\"").next().unwrap_or_default();
    let value = |key: &str| {
        let (_, rest) = head.split_once(&format!("\"{key}\""))?;
        let value = rest
            .trim_start()
            .strip_prefix(':')?
            .split([',', '}'])
            .next()?;
        Some(value.trim().trim_matches('"'))
    };
    Ok(Set {
        cloud: value("cloud").context("it names no cloud")?.to_owned(),
        change_number: value("changeNumber")
            .context("it has no change number")?
            .parse()?,
    })
}

/// Reads the start of a bundle: `cloud Public`, `change-number 403`.
fn of_bundle(text: &str) -> Result<Set> {
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines
            .find(|(found, _)| *found == key)
            .map(|(_, value)| value)
    };
    Ok(Set {
        cloud: value("cloud").context("it names no cloud")?.to_owned(),
        change_number: value("change-number")
            .context("it has no change number")?
            .parse()?,
    })
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    /// Directories of a bundle and of published files.
    struct Places(PathBuf);

    impl Places {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("xtask-{name}-{}", process::id()));
            for directory in ["bundle", "data"] {
                fs::create_dir_all(root.join(directory)).unwrap();
            }
            let bundle = "cloud Public\nchange-number 403\ndate 2026-06-22\ntag Storage\n";
            fs::write(root.join("bundle/public.tags"), bundle).unwrap();
            Self(root)
        }

        /// Why the comparison with `file` fails, if it does.
        fn refusal(&self, file: &str) -> Option<String> {
            fs::write(self.0.join("data/ServiceTags.json"), file).unwrap();
            let compared = compare(&self.0.join("bundle"), &self.0.join("data"));
            compared.err().map(|error| format!("{error:#}"))
        }
    }

    impl Drop for Places {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn a_bundle_older_than_the_data_at_hand_is_not_shipped() {
        let places = Places::new("older-bundle");
        let file = |number: u32, cloud: &str| {
            let tag = r#"{"name":"x","properties":{"changeNumber":999}}"#;
            format!(
                "{{\n  \"changeNumber\": {number},\n  \"cloud\": \"{cloud}\",\n  \"values\": [{tag}]}}"
            )
        };
        assert_eq!(places.refusal(&file(403, "Public")), None);
        assert_eq!(places.refusal(&file(375, "Public")), None);
        assert_eq!(places.refusal(&file(500, "China")), None);
        let older = places.refusal(&file(404, "Public")).unwrap();
        for words in [
            "public.tags has change 403",
            "ServiceTags.json has 404",
            "tags bundle",
        ] {
            assert!(older.contains(words), "no {words:?} in {older}");
        }
    }

    #[test]
    fn data_that_cannot_be_read_fails_the_release() {
        let places = Places::new("unreadable-data");
        let error = places.refusal("{\"values\": []}").unwrap();
        assert!(error.contains("no service-tags file"), "{error}");
    }
}
