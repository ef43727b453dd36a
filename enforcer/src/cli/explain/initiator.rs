//! What opens the connection to explain, and its cgroups.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde::Serialize;

use crate::sys::{Cgroup, cgroup_root, unit_cgroups};

/// What opens the connection; this process where neither is set.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Initiator {
    /// A systemd unit.
    pub(super) unit: Option<String>,
    /// A cgroup, by its path below the root or its directory.
    pub(super) cgroup: Option<PathBuf>,
}

impl Initiator {
    /// Whether it is this process.
    pub(super) fn is_own(&self) -> bool {
        self.unit.is_none() && self.cgroup.is_none()
    }

    /// Returns the positions of its cgroups relative to `scope`, the cgroup v2 root where it is `None`.
    ///
    /// # Errors
    /// Where it has no cgroup.
    pub(super) fn positions(&self, scope: Option<&Path>) -> Result<Vec<CgroupPosition>> {
        let root = cgroup_root()?;
        let scope = scope.unwrap_or(&root);
        let cgroups = self.cgroups(&root)?;
        let positions = cgroups.iter();
        positions
            .map(|cgroup| position(&root, scope, &cgroup.path))
            .collect()
    }

    fn cgroups(&self, root: &Path) -> Result<Vec<Cgroup>> {
        if let Some(path) = &self.cgroup {
            return Ok(vec![Cgroup::open(root, path)?]);
        }
        let unit = self.unit.as_deref().unwrap_or_default();
        let cgroups = unit_cgroups(root, unit)?;
        if cgroups.is_empty() {
            bail!(
                "{unit} has no cgroup: start it first, or check that its name is complete, such as agent.service"
            );
        }
        Ok(cgroups)
    }
}

/// A cgroup relative to the scope.
pub(super) enum CgroupPosition {
    /// In the scope; the ids of its ancestors and its own, outermost first.
    Inside(Vec<u64>),
    /// Not in the scope; the ids likewise.
    Outside(Vec<u64>),
}

/// Returns the position of `cgroup` in the tree at `root`.
fn position(root: &Path, scope: &Path, cgroup: &Path) -> Result<CgroupPosition> {
    let below = cgroup.ancestors().filter(|path| path.starts_with(root));
    let mut lineage: Vec<&Path> = below.collect();
    lineage.reverse();
    let ids: Result<_, _> = lineage
        .into_iter()
        .map(|path| Cgroup::open(root, path).map(|cgroup| cgroup.id))
        .collect();
    Ok(match is_governed(scope, cgroup) {
        true => CgroupPosition::Inside(ids?),
        false => CgroupPosition::Outside(ids?),
    })
}

fn is_governed(scope: &Path, cgroup: &Path) -> bool {
    cgroup.starts_with(scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_beside_the_scope_is_outside() {
        let scope = Path::new("/sys/fs/cgroup/plant.slice");
        for outside in [
            "/sys/fs/cgroup/plant.slice2/a.service",
            "/sys/fs/cgroup/system.slice",
        ] {
            assert!(!is_governed(scope, Path::new(outside)), "{outside}");
        }
    }
}
