//! What the enforcer opens for itself: the hosts that it asks, for its own cgroup and nobody else's.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;

use super::engine::Engine;
use crate::config::{DefaultAction, Exception, Sni, Target};

/// Why it is open, as `status` shows it.
const REASON: &str = "egress-enforcer asks for names and service tags";
/// The shell of `systemctl reload` is in the service's cgroup for a moment, which is nothing to tell.
const PATIENCE: Duration = Duration::from_secs(5);

impl Engine {
    /// Has the hosts resolved that sources are asked at, and opens them where the enforcer has a cgroup of its own.
    pub(super) fn open_for_itself(&mut self) {
        let hosts = self.feeds.hosts(&self.sources.config);
        let is_open =
            |exception: &Exception| exception.reason == REASON && exception.names == hosts;
        let is_done = self.sources.config.exceptions.iter().any(is_open);
        if hosts.is_empty() || is_done {
            self.crowded = None;
            return self.alarms.clear("own-traffic", "");
        }
        let is_known = self.sources.hosts == hosts;
        self.sources.hosts.clone_from(&hosts);
        match own_cgroup(&self.root) {
            Ok(path) => {
                self.sources.config.exceptions.push(Exception {
                    reason: REASON.to_owned(),
                    target: Target::Cgroup(path),
                    names: hosts,
                    cidrs: Vec::new(),
                    until: Timestamp::MAX,
                    sni: Sni::Required,
                });
                self.crowded = None;
                self.alarms.clear("own-traffic", "");
                self.adopt_sources();
            }
            Err(error) => {
                if !is_known {
                    self.adopt_sources();
                }
                self.tell_of_crowd(&error);
            }
        }
    }

    /// Where everything but Azure's storage and registries is open, so are these hosts, unless they are among those.
    fn tell_of_crowd(&mut self, error: &anyhow::Error) {
        let now = self.now();
        let since = *self.crowded.get_or_insert(now);
        let config = &self.sources.config;
        let closed = |name| {
            let entry = self.cache.entries().find(|(found, _)| *found == name);
            let addresses = entry.into_iter().flat_map(|(_, entry)| entry.addresses());
            let mut addresses = addresses.map(|(address, _)| self.sources.judged(address));
            addresses.any(|address| self.sources.is_closed(address))
        };
        let is_needed =
            config.protect.default == DefaultAction::Deny || self.sources.hosts.iter().any(closed);
        let told = (is_needed && now.saturating_sub(since) >= PATIENCE).then(|| {
            format!(
                "sources cannot be asked for names and service tags: {error:#}, and what opens for the enforcer would open for others; \
                 run it as a service, in a cgroup of its own"
            )
        });
        self.alarms.set("own-traffic", "", told);
    }
}

/// The path of this process's cgroup below the cgroup v2 mount at `root`, if it is root's, and nobody else is in it or below.
fn own_cgroup(root: &Path) -> Result<PathBuf> {
    let told = fs::read_to_string("/proc/self/cgroup").context("its cgroup is not known")?;
    let path = told.lines().find_map(|line| line.strip_prefix("0::"));
    let path = PathBuf::from(path.context("it has no cgroup of version 2")?);
    let inside = path.strip_prefix("/").unwrap_or(&path);
    if inside.as_os_str().is_empty() || inside.starts_with("..") {
        bail!("it runs in the root cgroup");
    }
    let directory = root.join(inside);
    let read = |file: &str| {
        let file = directory.join(file);
        fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))
    };
    let owner = fs::metadata(&directory).map(|found| found.uid());
    ensure!(
        owner.is_ok_and(|owner| owner == 0),
        "its cgroup, {}, is not root's",
        path.display()
    );
    let below = read("cgroup.stat")?;
    let has_none = below.lines().any(|line| line == "nr_descendants 0");
    ensure!(
        has_none,
        "there are cgroups below its own, {}",
        path.display()
    );
    let own = std::process::id().to_string();
    match read("cgroup.procs")?
        .lines()
        .find(|process| *process != own)
    {
        None => Ok(path),
        Some(other) => bail!("process {other} is in its cgroup, {}", path.display()),
    }
}
