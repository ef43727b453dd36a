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

/// The program of the daemon and of most commands.
pub(super) const PROGRAM: &str = "egress-enforcer";
/// The program of the commands that a device does not need.
pub(super) const CONSOLE: &str = "egress-enforcer-console";

/// Maximum installed size of a package, in bytes (CONTRIBUTING.md, budgets).
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
    /// The built program of this name.
    Program(&'static str),
    /// The notices of third parties, made for each machine.
    Notices,
}

/// Files that every kind of package has.
const COMMON: [Shipped; 36] = [
    shipped("packaging/etc/config.toml", CONFIG),
    Shipped {
        source: Source::Program(PROGRAM),
        place: "/usr/bin/egress-enforcer",
    },
    Shipped {
        source: Source::Program(CONSOLE),
        place: "/usr/bin/egress-enforcer-console",
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
    page!("rollout.md"),
    page!("rule.md"),
    page!("schema.json"),
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
        "packaging/prove/egress-enforcer-prove.service",
        "/usr/share/doc/egress-enforcer/examples/egress-enforcer-prove.service",
    ),
    shipped(
        "packaging/prove/egress-enforcer-prove.timer",
        "/usr/share/doc/egress-enforcer/examples/egress-enforcer-prove.timer",
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
        "docs/man/egress-enforcer-reference.7",
        "/usr/share/man/man7/egress-enforcer-reference.7.gz",
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
        match self.source {
            Source::Program(_) => "-rwxr-xr-x",
            Source::Workspace(_) | Source::Notices => "-rw-r--r--",
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
mod tests;
