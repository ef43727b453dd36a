//! The files of the packages, and the check that a package has them.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

/// A page of `docs/`, to which README.md links.
macro_rules! page {
    ($name:literal) => {
        shipped(
            concat!("docs/", $name),
            concat!("/usr/share/doc/egress-enforcer/docs/", $name),
        )
    };
}

/// Maximum installed size of a package, in bytes.
const MAX_INSTALLED: u64 = 10 << 20;

/// A file of the packages.
pub(super) struct Shipped {
    pub(super) source: Source,
    /// Installed path; compressed where it ends in `.gz`.
    pub(super) place: &'static str,
}

/// Source of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A path in the workspace.
    Workspace(&'static str),
    /// The built program.
    Program,
    /// The notices of third parties, made for each machine.
    Notices,
}

/// Files that every kind of package has.
const COMMON: [Shipped; 30] = [
    shipped("packaging/etc/config.toml", CONFIG),
    Shipped {
        source: Source::Program,
        place: "/usr/bin/egress-enforcer",
    },
    shipped(
        "packaging/egress-enforcer.service",
        "/usr/lib/systemd/system/egress-enforcer.service",
    ),
    shipped(
        "CHANGELOG.md",
        "/usr/share/doc/egress-enforcer/CHANGELOG.md",
    ),
    shipped(
        "LICENSE-APACHE",
        "/usr/share/doc/egress-enforcer/LICENSE-APACHE",
    ),
    shipped("LICENSE-MIT", "/usr/share/doc/egress-enforcer/LICENSE-MIT"),
    shipped("README.md", "/usr/share/doc/egress-enforcer/README.md"),
    shipped(
        "packaging/copyright",
        "/usr/share/doc/egress-enforcer/copyright",
    ),
    Shipped {
        source: Source::Notices,
        place: "/usr/share/doc/egress-enforcer/third-party-notices.gz",
    },
    page!("bench.md"),
    page!("configuration.md"),
    page!("frames.md"),
    page!("glossary.md"),
    page!("install.md"),
    page!("kernel-support.md"),
    page!("limits.md"),
    page!("names.md"),
    page!("operate.md"),
    page!("packet-path.svg"),
    page!("rule.md"),
    page!("soak.md"),
    page!("threat-model.md"),
    page!("walkthrough.md"),
    shipped(
        "packaging/config.toml",
        "/usr/share/doc/egress-enforcer/examples/config.toml",
    ),
    shipped(
        "packaging/grafana/egress-enforcer.json",
        "/usr/share/doc/egress-enforcer/examples/grafana-dashboard.json",
    ),
    shipped(
        "packaging/prometheus/egress-enforcer.rules.yml",
        "/usr/share/doc/egress-enforcer/examples/egress-enforcer.rules.yml",
    ),
    shipped(
        "docs/man/egress-enforcer.8",
        "/usr/share/man/man8/egress-enforcer.8.gz",
    ),
    shipped(
        "docs/man/egress-enforcer.toml.5",
        "/usr/share/man/man5/egress-enforcer.toml.5.gz",
    ),
    shipped(
        "packaging/completions/egress-enforcer.bash",
        "/usr/share/bash-completion/completions/egress-enforcer",
    ),
    shipped(
        "packaging/completions/egress-enforcer.fish",
        "/usr/share/fish/vendor_completions.d/egress-enforcer.fish",
    ),
];
/// Debian's zsh reads completions here. The package's script creates the group, also without systemd-sysusers.
const DEBIAN: [Shipped; 1] = [shipped(
    "packaging/completions/_egress-enforcer",
    "/usr/share/zsh/vendor-completions/_egress-enforcer",
)];
/// Files that the RPM and the tarball have besides [`COMMON`].
const OTHERS: [Shipped; 2] = [
    shipped(
        "packaging/completions/_egress-enforcer",
        "/usr/share/zsh/site-functions/_egress-enforcer",
    ),
    shipped(
        "packaging/egress-enforcer.sysusers",
        "/usr/lib/sysusers.d/egress-enforcer.conf",
    ),
];

/// The one file that belongs to the operator.
pub(super) const CONFIG: &str = "/etc/egress-enforcer/config.toml";

const fn shipped(source: &'static str, place: &'static str) -> Shipped {
    Shipped {
        source: Source::Workspace(source),
        place,
    }
}

/// The files of the Debian package.
pub(super) fn of_deb() -> impl Iterator<Item = &'static Shipped> {
    COMMON.iter().chain(&DEBIAN)
}

/// The files of the RPM and of the tarball.
pub(super) fn of_others() -> impl Iterator<Item = &'static Shipped> {
    COMMON.iter().chain(&OTHERS)
}

impl Shipped {
    /// As `ls -l` shows it.
    pub(super) fn mode(&self) -> &'static str {
        if self.source == Source::Program {
            "-rwxr-xr-x"
        } else {
            "-rw-r--r--"
        }
    }
}

/// A file in a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// As `ls -l` shows it.
    pub(super) mode: String,
    /// `root/root`, or `0/0`.
    pub(super) owner: String,
    /// In bytes.
    pub(super) size: u64,
    /// From the root.
    pub(super) path: String,
}

/// The members of an archive as `tar -tv` and `dpkg-deb -c` list them.
///
/// # Errors
/// On a line of another form.
pub(super) fn read_listing(listing: &str) -> Result<Vec<Entry>> {
    listing.lines().map(read_line).collect()
}

fn read_line(line: &str) -> Result<Entry> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [mode, owner, size, _date, _time, path] = words[..] else {
        bail!("not a line of `tar -tv`: {line}");
    };
    Ok(Entry {
        mode: mode.to_owned(),
        owner: owner.to_owned(),
        size: size.parse()?,
        path: path
            .trim_start_matches('.')
            .trim_end_matches('/')
            .to_owned(),
    })
}

/// Compares `entries` with the files that a package should have.
///
/// # Errors
/// With one line for each difference: a file too many or too few, another mode or owner, too large.
pub(super) fn check<'a>(
    entries: &[Entry],
    shipped: impl Iterator<Item = &'a Shipped>,
) -> Result<()> {
    let mut wanted: BTreeMap<&str, &str> = shipped.map(|file| (file.place, file.mode())).collect();
    let mut problems = Vec::new();
    for Entry {
        mode, owner, path, ..
    } in entries
    {
        if !["root/root", "0/0"].contains(&owner.as_str()) {
            problems.push(format!("{path} belongs to {owner}, expected root"));
        }
        let mode_wanted = if mode.starts_with('d') {
            "drwxr-xr-x"
        } else if let Some(wanted) = wanted.remove(path.as_str()) {
            wanted
        } else {
            problems.push(format!("{path} is not expected"));
            continue;
        };
        if mode != mode_wanted {
            problems.push(format!("{path} has mode {mode}, expected {mode_wanted}"));
        }
    }
    problems.extend(wanted.keys().map(|path| format!("{path} is missing")));
    let size: u64 = entries.iter().map(|entry| entry.size).sum();
    if size >= MAX_INSTALLED {
        problems.push(format!(
            "{size} bytes installed, at most {MAX_INSTALLED} allowed"
        ));
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{}", problems.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Vec<Entry> {
        let entry = |file: &Shipped| Entry {
            mode: file.mode().to_owned(),
            owner: "root/root".to_owned(),
            size: 1,
            path: file.place.to_owned(),
        };
        COMMON.iter().map(entry).collect()
    }

    fn complaint(entries: &[Entry]) -> String {
        let refused = check(entries, COMMON.iter()).unwrap_err();
        refused.to_string()
    }

    #[test]
    fn what_is_listed_is_what_is_wanted() {
        check(&whole(), COMMON.iter()).unwrap();
        let missing = check(&whole(), of_deb()).unwrap_err().to_string();
        assert_eq!(missing, format!("{} is missing", DEBIAN[0].place));
    }

    #[test]
    fn a_file_too_many_and_one_too_few_are_both_named() {
        let mut entries = whole();
        entries[0].path = "/etc/egress-enforcer/other.toml".to_owned();
        assert_eq!(
            complaint(&entries),
            "/etc/egress-enforcer/other.toml is not expected\n  /etc/egress-enforcer/config.toml is missing"
        );
    }

    #[test]
    fn what_others_may_write_or_own_is_refused() {
        let mut entries = whole();
        entries[1].mode = "-rwxrwxrwx".to_owned();
        entries[2].owner = "1000/1000".to_owned();
        let message = complaint(&entries);
        assert!(
            message.contains("bin/egress-enforcer has mode -rwxrwxrwx"),
            "{message}"
        );
        assert!(
            message.contains(".service belongs to 1000/1000"),
            "{message}"
        );
        entries = read_listing("drwxrwxrwx root/root 0 2026-01-01 00:00 ./etc/\n").unwrap();
        assert!(complaint(&entries).contains("/etc has mode drwxrwxrwx"));
    }

    #[test]
    fn a_package_too_large_for_a_device_is_refused() {
        let mut entries = whole();
        entries[1].size = MAX_INSTALLED;
        assert!(complaint(&entries).contains("at most"));
    }

    #[test]
    fn a_listing_of_another_form_is_an_error() {
        assert!(read_listing("what is this\n").is_err());
        let line = "-rw-r--r-- 0/0    33 2026-11-23 19:48 ./etc/a.toml\n";
        assert_eq!(read_listing(line).unwrap()[0].path, "/etc/a.toml");
    }
}
