//! Debian packages of other suites and machines, without touching the machine's own apt: a directory of lists, state and
//! cache for each suite, on the mirror that the machine's own sources name. Signatures are checked against Debian's keyring.

mod bootstrap;
mod mirror;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, ensure};

pub(crate) use self::bootstrap::Bootstrap;
use self::mirror::Mirror;
use crate::{
    arch::Arch,
    env,
    step::{Step, output_of},
};

/// How long the lists of a suite are taken for current.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// A suite of Debian for one kind of machine, with its security updates.
#[derive(Debug)]
pub(crate) struct Suite {
    name: String,
    arch: Arch,
    /// Lists, state and configuration.
    dir: PathBuf,
}

/// One version of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Suite {
    /// Opens a suite such as `bookworm` or `sid`; reads its lists when there are none of the last day. Lists that are older
    /// will do where the mirror cannot be reached.
    ///
    /// # Errors
    /// When the machine's sources name no mirror, or there are no lists and none can be read.
    pub(crate) fn open(name: &str, arch: Arch) -> Result<Self> {
        let dir = cache()?
            .join("apt")
            .join(format!("{name}-{}", arch.debian()));
        let suite = Self {
            name: name.to_owned(),
            arch,
            dir,
        };
        let _lock = suite.lock()?;
        suite.configure()?;
        if suite.is_fresh() {
            return Ok(suite);
        }
        let updated = suite.update();
        match updated {
            Err(error) if suite.stamp().exists() => {
                println!("    older package lists of {name} are used: {error:#}");
            }
            other => other?,
        }
        Ok(suite)
    }

    /// The newest package among those whose whole names match `pattern` (a POSIX extended regular expression).
    ///
    /// # Errors
    /// When none does.
    pub(crate) fn newest(&self, pattern: &str) -> Result<Package> {
        let mut newest: Option<Package> = None;
        for package in self.matching(pattern)? {
            if newest.as_ref().is_none_or(|old| package.is_newer(old)) {
                newest = Some(package);
            }
        }
        newest.with_context(|| format!("apt-cache shows no version of {pattern}"))
    }

    /// All packages whose whole names match, each in its newest version.
    ///
    /// # Errors
    /// As [`Suite::newest`].
    pub(crate) fn matching(&self, pattern: &str) -> Result<Vec<Package>> {
        let pattern = format!("^{pattern}$");
        let mut search = self.apt("apt-cache");
        let found = output_of(search.args(["search", "--names-only", &pattern]))?;
        let names: Vec<&str> = found
            .lines()
            .filter_map(|line| Some(line.split_once(" - ")?.0))
            .collect();
        ensure!(
            !names.is_empty(),
            "{} has no package {pattern} for {}",
            self.name,
            self.arch.debian()
        );
        let mut show = self.apt("apt-cache");
        let shown = output_of(show.args(["show", "--no-all-versions"]).args(names))?;
        Ok(packages(&shown))
    }

    /// The package's file, brought unless the cache has that version.
    ///
    /// # Errors
    /// When it cannot be brought, or is not what the signed lists say.
    pub(crate) fn download(&self, package: &Package) -> Result<PathBuf> {
        let _lock = self.lock()?;
        let debs = made(self.dir.join("debs"))?;
        let prefix = format!("{}_{}_", package.name, package.version.replace(':', "%3a"));
        if let Some(deb) = find(&debs, &prefix)? {
            return Ok(deb);
        }
        let title = format!("apt brings {} {}", package.name, package.version);
        let wanted = format!("{}={}", package.name, package.version);
        self.step(&title, "20 s")
            .run(
                self.apt("apt-get")
                    .current_dir(&debs)
                    .args(["download", "--quiet=2", &wanted]),
            )?;
        find(&debs, &prefix)?.with_context(|| format!("apt-get brought no {prefix}….deb"))
    }

    /// The files of the packages `names` and of everything that they depend on, in no order. `label` names the set.
    ///
    /// # Errors
    /// When they cannot be brought.
    pub(crate) fn download_closure(&self, label: &str, names: &[&str]) -> Result<Vec<PathBuf>> {
        let _lock = self.lock()?;
        let debs = made(self.dir.join(label))?;
        made(debs.join("partial"))?;
        let mut archives = std::ffi::OsString::from("Dir::Cache::archives=");
        archives.push(&debs);
        let title = format!("apt brings {} of {}", names.join(" "), self.name);
        self.step(&title, "30 s").run(
            self.apt("apt-get")
                .arg("-o")
                .arg(archives)
                .args(["install", "--download-only", "--yes"])
                .args(["--no-install-recommends"])
                .args(names),
        )?;
        let mut files = entries(&debs)?;
        files.retain(|path| path.extension().is_some_and(|extension| extension == "deb"));
        Ok(files)
    }

    /// The lines of a sources.list(5) that this suite is read from, for other tools.
    ///
    /// # Errors
    /// As [`Suite::open`].
    pub(crate) fn sources(&self) -> Result<String> {
        sources(&self.name)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = env::command(program);
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .arg("-c")
            .arg(self.dir.join("apt.conf"));
        command
    }

    fn update(&self) -> Result<()> {
        let title = format!(
            "apt reads the lists of {} {}",
            self.name,
            self.arch.debian()
        );
        let step = self.step(&title, "10 s");
        let mut update = self.apt("apt-get");
        // Without this, apt-get answers success to lists it could not read.
        update.args(["update", "--error-on=any"]);
        step.run(&mut update).or_else(|_| step.run(&mut update))?;
        fs::write(self.stamp(), "").context("cannot write a stamp")
    }

    fn step<'a>(&self, title: &'a str, usual: &'a str) -> Step<'a> {
        Step {
            title,
            usual,
            log: match self.arch {
                Arch::Amd64 => "vm-apt-amd64",
                Arch::Arm64 => "vm-apt-arm64",
            },
        }
    }

    fn configure(&self) -> Result<()> {
        made(self.dir.join("lists/partial"))?;
        made(self.dir.join("archives/partial"))?;
        let write = |name: &str, text: &str| {
            let path = self.dir.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        write("sources.list", &self.sources()?)?;
        write("status", "")?;
        write("apt.conf", &configuration(&self.dir, self.arch))
    }

    fn stamp(&self) -> PathBuf {
        self.dir.join("updated")
    }

    fn is_fresh(&self) -> bool {
        is_younger(&self.stamp(), FRESH)
    }

    /// Two runs may want the same suite at once.
    fn lock(&self) -> Result<File> {
        let path = made(self.dir.clone())?.join("lock");
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }
}

impl Package {
    fn is_newer(&self, other: &Self) -> bool {
        env::command("dpkg")
            .args(["--compare-versions", &self.version, "gt", &other.version])
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// The lines of a sources.list(5) that `suite` is read from on the machine's mirror.
///
/// # Errors
/// When the machine's sources name no mirror.
pub(crate) fn sources(suite: &str) -> Result<String> {
    Ok(Mirror::of_machine()?.sources(suite))
}

/// Where everything for virtual machines is kept.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn cache() -> Result<PathBuf> {
    made(env::cache().join("vm"))
}

/// Unpacks a package's files into `into`, running none of its scripts.
///
/// # Errors
/// When dpkg-deb cannot.
pub(crate) fn unpack(deb: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    output_of(env::command("dpkg-deb").arg("--extract").args([deb, into])).map(drop)
}

/// A directory, made where it is missing.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn made(dir: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

/// Whether a file is there and was written less than `age` ago.
pub(crate) fn is_younger(path: &Path, age: Duration) -> bool {
    let written = fs::metadata(path).and_then(|meta| meta.modified());
    let old = written.map(|time| SystemTime::now().duration_since(time));
    old.is_ok_and(|old| old.is_ok_and(|old| old < age))
}

/// The machine's own settings, a proxy say, stay; its hooks do not run. Suites that are no longer updated let their lists
/// expire: their kernels are still what is wanted.
fn configuration(dir: &Path, arch: Arch) -> String {
    let dir = dir.display();
    let arch = arch.debian();
    format!(
        r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear APT::Architectures;
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::Retries "3";
Acquire::AllowInsecureRepositories "false";
APT::Get::AllowUnauthenticated "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Dir::Etc::sourcelist "{dir}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{dir}";
Dir::State::lists "{dir}/lists";
Dir::State::status "{dir}/status";
Dir::State::extended_states "{dir}/extended_states";
Dir::Cache "{dir}";
Dir::Cache::archives "{dir}/archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
"#
    )
}

/// Name and version of each paragraph that apt-cache shows.
fn packages(shown: &str) -> Vec<Package> {
    let field = |paragraph: &str, name: &str| {
        let mut lines = paragraph.lines();
        lines.find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
    };
    shown
        .split("\n\n")
        .filter_map(|paragraph| {
            Some(Package {
                name: field(paragraph, "Package:")?,
                version: field(paragraph, "Version:")?,
            })
        })
        .collect()
}

fn find(dir: &Path, prefix: &str) -> Result<Option<PathBuf>> {
    let mut files = entries(dir)?.into_iter();
    Ok(files.find(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(prefix) && name.ends_with(".deb")
    }))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    read.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_paragraph_gives_a_package() {
        let shown = "Package: a\nVersion: 1:2-3\nDepends: b\n\nPackage: b\nVersion: 4\n\n";
        let package = |name: &str, version: &str| Package {
            name: name.to_owned(),
            version: version.to_owned(),
        };
        assert_eq!(packages(shown), [package("a", "1:2-3"), package("b", "4")]);
    }

    #[test]
    fn versions_compare_as_debian_compares_them() {
        let version = |version: &str| Package {
            name: "a".to_owned(),
            version: version.to_owned(),
        };
        assert!(version("6.12.100-1").is_newer(&version("6.12.99-1")));
        assert!(!version("7.0~rc1-1").is_newer(&version("7.0-1")));
    }

    #[test]
    fn what_is_brought_is_for_the_wanted_machine() {
        let text = configuration(Path::new("/d"), Arch::Arm64);
        assert!(
            text.contains("APT::Architectures { \"arm64\"; };"),
            "{text}"
        );
    }
}
