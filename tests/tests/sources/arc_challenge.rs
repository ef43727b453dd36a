//! The agent of Azure Arc names a secret file; an attacker in its place must not be able to name any other file.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use lab::azure::Service;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::fixture::{Fixture, LIMIT, azure, by_resource};

/// Content of the other files, which must not be sent.
const CONTENT: &str = "root:$6$not-for-the-agent";

/// Watches for opens of a file (inotify(7)).
struct Opens(Inotify);

impl Opens {
    /// Watches a file, or the files in a directory.
    fn of(path: &Path) -> Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        inotify.add_watch(path, AddWatchFlags::IN_OPEN)?;
        Ok(Self(inotify))
    }

    fn were_seen(&self) -> bool {
        self.0.read_events().is_ok_and(|events| !events.is_empty())
    }
}

/// A path that the agent names, and the actual file.
struct Case {
    realm: String,
    file: PathBuf,
}

/// Returns files other than the agent's secrets, each by a different path.
fn cases(fixture: &Fixture) -> Result<Vec<Case>> {
    const SEEN: &str = "/var/opt/azcmagent";
    let agent = fixture.azure.var_opt().join("azcmagent");
    let (other, tokens) = (agent.join("other"), agent.join("tokens"));
    fs::create_dir_all(&other)?;
    fs::create_dir_all(tokens.join("below"))?;
    let outside = fixture.path("shadow.key");
    let files = [
        other.join("secret.key"),
        outside.clone(),
        tokens.join("secret.txt"),
        tokens.join("below/secret.key"),
    ];
    for file in &files {
        fs::write(file, CONTENT)?;
    }
    symlink(&outside, tokens.join("link.key"))?;
    symlink("../other", tokens.join("linked"))?;
    let case = |realm: String, file: &PathBuf| Case {
        realm,
        file: file.clone(),
    };
    Ok(vec![
        case(format!("{SEEN}/other/secret.key"), &files[0]),
        case(format!("{SEEN}/tokens/../other/secret.key"), &files[0]),
        case(format!("{SEEN}/tokens/linked/secret.key"), &files[0]),
        case(outside.display().to_string(), &outside),
        case(format!("{SEEN}/tokens/link.key"), &outside),
        case(format!("{SEEN}/tokens/secret.txt"), &files[2]),
        case(format!("{SEEN}/tokens/below/secret.key"), &files[3]),
    ])
}

#[test]
fn only_the_agents_own_secret_file_is_opened_and_sent() -> Result<()> {
    let mut fixture = Fixture::prepare()?;
    fixture.azure.recover(Service::Arc);
    let registry = format!("regions = [\"eastus\"]\n{}", by_resource());
    fixture.configure(&registry, "", &azure("credential = \"arc\""))?;
    for case in cases(&fixture)? {
        fixture.azure.set_realm(Some(&case.realm));
        let opens = Opens::of(&case.file)?;
        fixture.run()?;
        fixture.await_source_failures(1)?;
        ensure!(!opens.were_seen(), "{} was opened", case.realm);
        fixture.lab.pull()?;
        fixture.end()?;
    }
    let requests = fixture.azure.requests();
    let of_agent = requests
        .iter()
        .filter(|request| request.service == Service::Arc);
    assert!(of_agent.clone().count() >= 7);
    for request in of_agent {
        assert_eq!(request.header("authorization"), None);
    }
    assert!(!format!("{requests:?}").contains("not-for-the-agent"));

    // The watch sees the honest way, so it would have seen the others.
    fixture.azure.set_realm(None);
    let opens = Opens::of(&fixture.azure.var_opt().join("azcmagent/tokens"))?;
    fixture.run()?;
    fixture
        .azure
        .await_requests(Service::ResourceManager, 1, LIMIT, |request| {
            request.status == 200
        })?;
    fixture.await_sources_recovered()?;
    assert!(opens.were_seen());
    Ok(())
}
