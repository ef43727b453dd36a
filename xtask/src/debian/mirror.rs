//! The mirror that this machine's own apt reads.

use anyhow::{Context as _, Result};

use crate::{env, step::output_of};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Suites that get no separate security updates.
const WITHOUT_SECURITY: [&str; 2] = ["sid", "unstable"];

/// Returns the lines of a sources.list(5) for `suite`, with its security updates where it has them.
///
/// # Errors
/// When apt's sources name no archive of Debian.
pub(super) fn sources(suite: &str) -> Result<String> {
    let targets = output_of(
        env::command("apt-get")
            .args(["indextargets", "--format", "$(REPO_URI) $(RELEASE)"])
            .arg("Identifier: Packages"),
    )?;
    let (main, security) = mirrors(&targets).context(
        "the files under /etc/apt name no archive of Debian: add one, then run this again",
    )?;
    let mut lines = format!("deb [signed-by={KEYRING}] {main} {suite} main\n");
    if let Some(uri) = security.filter(|_| !WITHOUT_SECURITY.contains(&suite)) {
        lines += &format!("deb [signed-by={KEYRING}] {uri} {suite}-security main\n");
    }
    Ok(lines)
}

/// The archive and the one of security updates, from lines of address and suite. The archive has a suite that has updates or security
/// updates beside it, or is called after Debian.
fn mirrors(targets: &str) -> Option<(&str, Option<&str>)> {
    let lines = || targets.lines().filter_map(|line| line.split_once(' '));
    let security = lines().find(|(_, suite)| suite.ends_with("-security"));
    let is_updated = |(_, suite): &(&str, &str)| {
        let updates = [format!("{suite}-updates"), format!("{suite}-security")];
        lines().any(|(_, other)| updates.iter().any(|name| name == other))
    };
    let is_debian = |(uri, suite): &(&str, &str)| {
        uri.trim_end_matches('/').ends_with("/debian") && !suite.contains('/')
    };
    let main = lines().find(is_updated).or_else(|| lines().find(is_debian));
    main.map(|(uri, _)| (uri, security.map(|(uri, _)| uri)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_the_one_with_updates() {
        let targets = "http://other/repo/ stable\nhttp://m/debian/ bookworm\nhttp://m/debian/ bookworm-updates\n\
                       http://m/sec/ bookworm-security\n";
        assert_eq!(
            mirrors(targets),
            Some(("http://m/debian/", Some("http://m/sec/")))
        );
    }

    #[test]
    fn an_archive_without_updates_is_known_by_its_address() {
        assert_eq!(
            mirrors("http://other/repo/ stable\nhttp://m/debian/ sid\n"),
            Some(("http://m/debian/", None))
        );
        assert_eq!(mirrors("http://other/repo/ stable\n"), None);
    }

    #[test]
    fn this_machine_has_a_mirror_or_the_error_names_what_to_do() {
        match sources("bookworm") {
            Ok(lines) => assert!(lines.contains(" bookworm main\n"), "{lines}"),
            Err(error) => println!("NOT RUN: {error:#}"),
        }
    }
}
