//! What the enforcer opens for itself: the hosts that it asks, for its own cgroup and nobody else's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;

use super::engine::Engine;
use crate::config::{DefaultAction, Exception, Target};

/// Why it is open, as `status` shows it.
const REASON: &str = "egress-enforcer asks for names and service tags";

impl Engine {
    /// Opens the hosts that sources are asked at, where the enforcer has a cgroup of its own.
    pub(super) fn open_for_itself(&mut self) {
        let names = self.feeds.hosts(&self.sources.config);
        if names.is_empty() {
            return self.alarms.clear("own-traffic", "");
        }
        let path = own_cgroup(&self.root);
        // Where everything but Azure's storage and registries is open, so are these hosts.
        let is_needed = self.sources.config.protect.default == DefaultAction::Deny;
        let refused = path.as_ref().err().filter(|_| is_needed).map(|error| {
            format!(
                "Azure and service tags cannot be asked: {error:#}, and what opens for it would open for others; \
                 run the enforcer as a service, in a cgroup of its own"
            )
        });
        self.alarms.set("own-traffic", "", refused);
        self.sources
            .config
            .exceptions
            .extend(path.ok().map(|path| Exception {
                reason: REASON.to_owned(),
                target: Target::Cgroup(path),
                names,
                cidrs: Vec::new(),
                until: Timestamp::MAX,
            }));
    }
}

/// The path of this process's cgroup below the cgroup v2 mount at `root`, if nobody else is in it.
fn own_cgroup(root: &Path) -> Result<PathBuf> {
    let told = fs::read_to_string("/proc/self/cgroup").context("its cgroup is not known")?;
    let path = told.lines().find_map(|line| line.strip_prefix("0::"));
    let path = PathBuf::from(path.context("it has no cgroup of version 2")?);
    let inside = path.strip_prefix("/").unwrap_or(&path);
    if inside.as_os_str().is_empty() || inside.starts_with("..") {
        bail!("it runs in the root cgroup");
    }
    let processes = root.join(inside).join("cgroup.procs");
    let processes = fs::read_to_string(&processes)
        .with_context(|| format!("{} cannot be read", processes.display()))?;
    let own = std::process::id().to_string();
    match processes.lines().find(|process| *process != own) {
        None => Ok(path),
        Some(other) => bail!("process {other} is in its cgroup, {}", path.display()),
    }
}
