//! Licences, sources and security advisories of the dependencies, by cargo-deny; `deny.toml` has the rules.

use std::{
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    env,
    report::Outcome,
    step::{Step, output_of},
};

/// Directory into which cargo-deny clones the RustSec database; the number is its hash of the database's URL.
const DATABASE: &str = "advisory-db-3157b0e258782691";

/// Checks licences and sources, which needs only the lock file and the unpacked crates.
///
/// # Errors
/// When a dependency breaks a rule.
pub(crate) fn rules() -> Result<Outcome> {
    let step = Step {
        title: "cargo-deny reads licences and sources",
        usual: "2 s",
        log: "test-licences",
    };
    step.run(env::cargo().args([
        "deny",
        "--locked",
        "check",
        "--hide-inclusion-graph",
        "licenses",
        "bans",
        "sources",
    ]))?;
    Ok(Outcome::Passed)
}

/// Checks for known vulnerabilities with the newest RustSec database at hand: fetched now, cached by an earlier fetch, or the archive
/// among the shared data.
///
/// # Errors
/// When a dependency has an advisory, or the archive cannot be unpacked.
pub(crate) fn advisories() -> Result<Outcome> {
    let home = env::cargo_home()?.join("advisory-dbs");
    let fetched = env::cargo()
        .args(["deny", "fetch", "db"])
        .output()
        .is_ok_and(|output| output.status.success());
    let kept = commit_day(&home.join(DATABASE));
    let archive = newest_archive(&env::root().join("../shared/data"));
    let Some(source) = choose(fetched, kept, archive) else {
        println!(
            "    NOT RUN: no advisory database here (no copy in {}, no advisory-db-YYYYMMDD.tar.gz in ../shared/data), and none can be \
             fetched (that takes git and github.com)",
            home.display()
        );
        return Ok(Outcome::NotRun);
    };
    let databases = match &source {
        Source::Cached => home,
        Source::Archive(archive) => unpack(archive)?,
    };
    let config = write_config(&databases)?;
    let step = Step {
        title: &format!("cargo-deny reads advisories, {source}"),
        usual: "2 s",
        log: "test-advisories",
    };
    step.run(env::cargo().args(check(&config)))?;
    Ok(Outcome::Passed)
}

/// Arguments of the check, which fetches nothing.
fn check(config: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["deny", "--locked", "--offline", "--config"]
        .map(OsString::from)
        .to_vec();
    arguments.push(config.into());
    arguments.extend(["check", "advisories"].map(OsString::from));
    arguments
}

/// An archive of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Archive {
    /// Day of its data, as `YYYYMMDD`.
    day: String,
    file: PathBuf,
}

/// Source of the database.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// cargo-deny's own copy.
    Cached,
    Archive(Archive),
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cached => formatter.write_str("from the copy that cargo-deny keeps"),
            Self::Archive(archive) => write!(formatter, "as of {}", archive.day),
        }
    }
}

/// Prefers a copy that was just fetched, then the newer one of the cached copy (of the day `kept`) and the archive.
fn choose(fetched: bool, kept: Option<String>, archive: Option<Archive>) -> Option<Source> {
    match archive {
        Some(archive) if !fetched && kept.as_ref().is_none_or(|day| *day < archive.day) => {
            Some(Source::Archive(archive))
        }
        Some(_) => Some(Source::Cached),
        None => (fetched || kept.is_some()).then_some(Source::Cached),
    }
}

/// Day of the newest commit in a clone, as `YYYYMMDD`; `None` where there is no clone.
fn commit_day(clone: &Path) -> Option<String> {
    if !clone.join(".git").exists() {
        return None;
    }
    let mut git = env::command("git");
    git.arg("-C")
        .arg(clone)
        .args(["show", "-s", "--format=%cs", "HEAD"]);
    let output = git.output().ok().filter(|output| output.status.success())?;
    let day = String::from_utf8(output.stdout).ok()?;
    Some(day.trim().replace('-', ""))
}

/// The newest `advisory-db-YYYYMMDD.tar.gz` in `directory`.
fn newest_archive(directory: &Path) -> Option<Archive> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    let archives = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let day = name.strip_prefix("advisory-db-")?.strip_suffix(".tar.gz")?;
        let is_day = day.len() == 8 && day.bytes().all(|digit| digit.is_ascii_digit());
        is_day.then(|| Archive {
            day: day.to_owned(),
            file: entry.path(),
        })
    });
    archives.max_by(|one, other| one.day.cmp(&other.day))
}

/// Unpacks an archive in the form of a copy that cargo-deny fetched, and returns the directory of databases.
fn unpack(archive: &Archive) -> Result<PathBuf> {
    let databases = env::target().join("xtask/advisory-dbs");
    let database = databases.join(DATABASE);
    if database.exists() {
        fs::remove_dir_all(&database)
            .context("cannot remove the advisory database of an earlier run")?;
    }
    fs::create_dir_all(&database)?;
    let mut tar = env::command("tar");
    tar.arg("--extract").arg("--file").arg(&archive.file);
    tar.args(["--strip-components=1", "--no-same-owner", "--directory"]);
    output_of(tar.arg(&database))?;
    // cargo-deny reads a copy's age from this file, which git writes on each fetch.
    fs::create_dir(database.join(".git"))?;
    fs::write(database.join(".git/FETCH_HEAD"), "")?;
    Ok(databases)
}

/// Writes `deny.toml` with the place of the databases, which no argument can name, and returns the file.
fn write_config(databases: &Path) -> Result<PathBuf> {
    let rules =
        fs::read_to_string(env::root().join("deny.toml")).context("cannot read deny.toml")?;
    let file = env::target().join("xtask/deny-advisories.toml");
    let text = format!(
        "{rules}\n[advisories]\ndb-path = {:?}\n",
        databases.display().to_string()
    );
    fs::create_dir_all(env::target().join("xtask"))?;
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(day: &str) -> Option<Archive> {
        Some(Archive {
            day: day.to_owned(),
            file: format!("advisory-db-{day}.tar.gz").into(),
        })
    }

    #[test]
    fn the_newest_database_counts_and_none_is_not_run() {
        let day = |text: &str| Some(text.to_owned());
        let of_archive = archive("20260820").map(Source::Archive);
        assert_eq!(choose(false, None, None), None);
        assert_eq!(choose(false, None, archive("20260820")), of_archive);
        assert_eq!(
            choose(false, day("20260819"), archive("20260820")),
            of_archive
        );
        assert_eq!(
            choose(false, day("20260901"), archive("20260820")),
            Some(Source::Cached)
        );
        assert_eq!(
            choose(true, None, archive("20260820")),
            Some(Source::Cached)
        );
        assert_eq!(choose(false, day("20240101"), None), Some(Source::Cached));
    }

    #[test]
    fn the_check_has_arguments_that_cargo_deny_knows() {
        let arguments = check(Path::new("deny.toml"));
        assert!(arguments.iter().any(|argument| argument == "--offline"));
        let mut deny = env::cargo();
        let Ok(help) = deny.args(&arguments).arg("--help").output() else {
            return;
        };
        let said = String::from_utf8_lossy(&help.stderr);
        if said.contains("no such command") {
            println!("NOT RUN: cargo-deny is not installed (./x setup installs it)");
            return;
        }
        assert!(help.status.success(), "{said}");
    }

    #[test]
    fn the_newest_archive_is_found_by_its_day() {
        let directory = std::env::temp_dir().join(format!("xtask-archives-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for name in [
            "advisory-db-20260820.tar.gz",
            "advisory-db-20250101.tar.gz",
            "advisory-db-new.tar.gz",
            "README.md",
        ] {
            fs::write(directory.join(name), "").unwrap();
        }
        let found = newest_archive(&directory);
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(found.map(|found| found.day).as_deref(), Some("20260820"));
    }
}
