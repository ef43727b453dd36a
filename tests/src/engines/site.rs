//! Where an engine's processes run.

use crate::{Lab, fixtures::process_env::ProcessEnv, topology::cgroup::Cgroup};

/// The place of an engine's processes in a lab.
#[derive(Clone, Debug)]
pub struct Site<'a> {
    /// The lab, in whose directory the engine's state is.
    pub lab: &'a Lab,
    /// What the names of the engine's directory and logs end with.
    pub name: &'a str,
    /// Network namespace and cgroup of the engine's processes.
    pub env: ProcessEnv,
    /// Whether the engine runs containers, for which it needs networks; otherwise it only pulls.
    pub has_networks: bool,
}

impl<'a> Site<'a> {
    /// The device, in `cgroup`.
    #[must_use]
    pub fn device(lab: &'a Lab, cgroup: &Cgroup) -> Self {
        Self {
            lab,
            name: "",
            env: lab.device_in(cgroup),
            has_networks: true,
        }
    }

    /// Returns the name of something of an engine, such as `dockerd`, at this place.
    pub(super) fn named(&self, what: &str) -> String {
        match self.name {
            "" => what.to_owned(),
            name => format!("{what}-{name}"),
        }
    }
}
