//! Senders outside and inside the scope.

use anyhow::Result;
use lab::{fixtures::process_env::ProcessEnv, topology::cgroup::Cgroup};

use crate::fixture::Fixture;

/// Where a sender's cgroup is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Outside,
    Inside,
}

impl Place {
    /// Creates a cgroup there, and returns it with the environment of its processes on the host.
    pub(crate) fn cgroup(self, fixture: &Fixture, name: &str) -> Result<(Cgroup, ProcessEnv)> {
        let parent = match self {
            Self::Outside => &fixture.cgroup,
            Self::Inside => &fixture.host_cgroup,
        };
        let cgroup = parent.child(name)?;
        let env = fixture.network.device_env().in_cgroup(&cgroup);
        Ok((cgroup, env))
    }
}
