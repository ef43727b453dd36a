//! Which mirror the machine's own apt reads, from sources.list(5) in both of its formats.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Debian's suites under development get no separate security updates.
const WITHOUT_SECURITY: [&str; 2] = ["sid", "unstable"];

/// Where Debian's archive and its security updates are read from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mirror {
    main: String,
    security: Option<String>,
}

/// One place of one suite.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    uri: String,
    suite: String,
}

impl Mirror {
    /// # Errors
    /// When apt's sources name no archive of Debian.
    pub(super) fn of_machine() -> Result<Self> {
        let mut entries = Vec::new();
        for path in files()? {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            if path
                .extension()
                .is_some_and(|extension| extension == "sources")
            {
                entries.extend(stanzas(&text));
            } else {
                entries.extend(lines(&text));
            }
        }
        Self::among(&entries).context(
            "the files under /etc/apt name no archive of Debian: add one, then run this again",
        )
    }

    /// The lines for `suite`, with its security updates where it has them.
    pub(super) fn sources(&self, suite: &str) -> String {
        let Self { main, security } = self;
        let mut text = format!("deb [signed-by={KEYRING}] {main} {suite} main\n");
        if let Some(uri) = security
            && !WITHOUT_SECURITY.contains(&suite)
        {
            text.push_str(&format!(
                "deb [signed-by={KEYRING}] {uri} {suite}-security main\n"
            ));
        }
        text
    }

    /// Debian's archive has a suite that has `-updates` or `-security` beside it, or is the only one.
    fn among(entries: &[Entry]) -> Option<Self> {
        let security = entries
            .iter()
            .find(|entry| entry.suite.ends_with("-security"));
        let is_main = |entry: &&Entry| {
            let path = entry.uri.trim_end_matches('/');
            path.ends_with("/debian") && !entry.suite.contains('/')
        };
        let updated = |entry: &&Entry| {
            let updates = [
                format!("{}-updates", entry.suite),
                format!("{}-security", entry.suite),
            ];
            entries.iter().any(|other| updates.contains(&other.suite))
        };
        let main = entries
            .iter()
            .find(updated)
            .or_else(|| entries.iter().find(is_main))?;
        Some(Self {
            main: main.uri.clone(),
            security: security.map(|entry| entry.uri.clone()),
        })
    }
}

fn files() -> Result<Vec<PathBuf>> {
    let mut found = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(parts) = fs::read_dir("/etc/apt/sources.list.d") {
        for part in parts {
            found.push(part.context("cannot list apt's sources")?.path());
        }
    }
    found.retain(|path| {
        let is_list = |extension| extension == "list" || extension == "sources";
        path.is_file() && path.extension().is_some_and(is_list)
    });
    found.sort();
    Ok(found)
}

/// `deb [options] URI SUITE COMPONENT…`
fn lines(text: &str) -> Vec<Entry> {
    let entry = |line: &str| {
        let mut rest = line.trim().strip_prefix("deb ")?.trim_start();
        if rest.starts_with('[') {
            rest = rest.split_once(']')?.1;
        }
        let mut words = rest.split_whitespace();
        Some(Entry {
            uri: words.next()?.to_owned(),
            suite: words.next()?.to_owned(),
        })
    };
    text.lines().filter_map(entry).collect()
}

/// Paragraphs of `Key: value` lines; every URI has every suite.
fn stanzas(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for stanza in text.split("\n\n") {
        let values = |key: &str| {
            let mut lines = stanza.lines();
            let value = lines.find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case(key).then_some(value)
            });
            value.unwrap_or_default().split_whitespace()
        };
        let is_off = values("Enabled").any(|value| value == "no" || value == "false");
        if is_off || !values("Types").any(|kind| kind == "deb") {
            continue;
        }
        for uri in values("URIs") {
            entries.extend(values("Suites").map(|suite| Entry {
                uri: uri.to_owned(),
                suite: suite.to_owned(),
            }));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(main: &str, security: Option<&str>) -> Option<Mirror> {
        Some(Mirror {
            main: main.to_owned(),
            security: security.map(str::to_owned),
        })
    }

    #[test]
    fn both_formats_name_the_same_mirror() {
        let stanza = "# by hand\nTypes: deb deb-src\nURIs: http://m/debian\nSuites: bookworm bookworm-updates\n\n\
                      Types: deb\nURIs: http://m/sec\nSuites: bookworm-security\n";
        let list = "deb [arch=amd64 signed-by=/k] http://m/debian bookworm main\n\
                    deb http://m/debian bookworm-updates main\n deb http://m/sec bookworm-security main\n# deb http://no x y\n";
        let wanted = mirror("http://m/debian", Some("http://m/sec"));
        assert_eq!(Mirror::among(&stanzas(stanza)), wanted);
        assert_eq!(Mirror::among(&lines(list)), wanted);
    }

    #[test]
    fn other_archives_and_what_is_off_are_passed_over() {
        let text = "Types: deb\nURIs: https://other/repo\nSuites: stable\n\n\
                    Types: deb\nEnabled: no\nURIs: http://off/debian\nSuites: sid\n\n\
                    Types: deb\nURIs: http://m/debian/\nSuites: sid\n";
        assert_eq!(
            Mirror::among(&stanzas(text)),
            mirror("http://m/debian/", None)
        );
        assert_eq!(
            Mirror::among(&lines("deb https://other/repo stable main")),
            None
        );
    }

    #[test]
    fn a_suite_comes_with_its_security_updates() {
        let mirror = mirror("http://m/debian", Some("http://m/sec")).unwrap();
        let text = mirror.sources("bookworm");
        assert!(text.contains("] http://m/debian bookworm main\n"), "{text}");
        assert!(
            text.contains("] http://m/sec bookworm-security main\n"),
            "{text}"
        );
        assert_eq!(mirror.sources("sid").lines().count(), 1);
    }
}
