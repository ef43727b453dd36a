//! The exception that allows the enforcer's cgroup the hosts that it fetches sources from.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::alarm_kind::AlarmKind;
use super::state::State;
use crate::config::{DefaultAction, Exception, Sni, Target};

/// Reason of the exception, as `status` shows it.
pub(crate) const REASON: &str = "egress-enforcer asks for names and service tags";
/// Delay before a shared cgroup is reported: the shell of `systemctl reload` is briefly in the service's cgroup.
const PATIENCE: Duration = Duration::from_secs(5);

impl State {
    /// Resolves the hosts that sources are fetched from, and allows them for the enforcer's cgroup if no other process shares it.
    pub(super) fn update_self_exception(&mut self, own_cgroup: Option<Result<PathBuf, String>>) {
        let hosts = self.dynamic.hosts().to_vec();
        let is_own = |exception: &Exception| exception.reason == REASON && exception.names == hosts;
        let is_done = self.sources.config.exceptions.iter().any(is_own);
        if hosts.is_empty() || is_done {
            self.cgroup_shared_since = None;
            return self.alarms.clear(AlarmKind::OwnTraffic, "");
        }
        let is_known = self.sources.hosts == hosts;
        self.sources.hosts.clone_from(&hosts);
        match own_cgroup {
            Some(Ok(path)) => {
                self.sources.config.exceptions.push(Exception {
                    reason: REASON.to_owned(),
                    target: Target::Cgroup(path),
                    names: hosts,
                    cidrs: Vec::new(),
                    until: Timestamp::MAX,
                    sni: Sni::Required,
                    bypasses_devices: false,
                });
                self.cgroup_shared_since = None;
                self.alarms.clear(AlarmKind::OwnTraffic, "");
                self.adopt_sources();
            }
            Some(Err(error)) => {
                if !is_known {
                    self.adopt_sources();
                }
                self.report_shared_cgroup(&error);
            }
            None => {}
        }
    }

    /// Reports a shared cgroup, unless the hosts are allowed without the exception: by default, and not in the protected set.
    fn report_shared_cgroup(&mut self, error: &str) {
        let now = self.now.since_start;
        let since = *self.cgroup_shared_since.get_or_insert(now);
        let config = &self.sources.config;
        let is_protected = |name| {
            let entry = self.cache.entries().find(|(found, _)| *found == name);
            let addresses = entry.into_iter().flat_map(|(_, entry)| entry.addresses());
            let mut addresses =
                addresses.map(|(address, _)| self.sources.effective_address(address));
            addresses.any(|address| self.sources.is_protected(address))
        };
        let is_needed = config.protect.default == DefaultAction::Deny
            || self.sources.hosts.iter().any(is_protected);
        let message = (is_needed && now.saturating_sub(since) >= PATIENCE).then(|| {
            format!(
                "cannot fetch sources: {error}, so the enforcer's exception would apply to other processes too; run it as a service, in a \
                 cgroup of its own"
            )
        });
        self.report(AlarmKind::OwnTraffic, message);
    }
}
