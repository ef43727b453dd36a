//! Reads the state of the host that the core receives at the start, on a reload and with each tick.

use std::path::Path;

use super::host::Host;
use super::own_cgroup::exclusive_cgroup;
use crate::config::{Config, Target};
use crate::core::{CgroupRef, DetachedHook, HookCheck, Surroundings, TargetCgroups};
use crate::sys::{Awaited, Cgroup, KernelError, optmem_shortage, unit_cgroups};

impl Host {
    /// Reads the state that `config` depends on; `fetches`: sources are fetched, so the enforcer needs an exclusive cgroup.
    pub(super) fn surroundings(&self, config: &Config, fetches: bool) -> Surroundings {
        let own_cgroup =
            fetches.then(|| exclusive_cgroup(&self.root).map_err(|error| format!("{error:#}")));
        let own = own_cgroup.iter().flatten();
        let own = own.map(|path| Target::Cgroup(path.clone()));
        let configured = config.exceptions.iter();
        let configured = configured.map(|exception| exception.target.clone());
        let targets = own.chain(configured).map(|target| {
            let found = cgroups(&target, &self.root).map_err(|error| error.to_string());
            (target, found)
        });
        Surroundings {
            scope_is_current: self.scope.is_current(),
            cgroups: TargetCgroups(targets.collect()),
            own_cgroup,
            observations: self.observations(),
            settings: self.settings(),
        }
    }

    /// Checks the hooks and pins.
    pub(super) fn hook_check(&self) -> HookCheck {
        let scope_is_current = self.scope.is_current();
        let mut detached = Vec::new();
        if scope_is_current {
            detached.extend(self.kernel.undone(&self.scope, &self.links));
            detached.extend(self.undone_options());
        }
        let detached = detached.into_iter().map(|undone| DetachedHook {
            name: undone.name,
            judged: undone.judged,
        });
        HookCheck {
            scope_is_current,
            detached: detached.collect(),
            socket_memory: optmem_shortage(),
        }
    }
}

/// Returns the cgroups that `config` names, which may come and go.
pub(super) fn awaited(config: &Config) -> Awaited {
    let mut awaited = Awaited::default();
    awaited.paths.extend(config.scope.clone());
    for exception in &config.exceptions {
        match &exception.target {
            Target::Unit(unit) => awaited.units.insert(unit.clone()),
            Target::Cgroup(path) => awaited.paths.insert(path.clone()),
        };
    }
    awaited
}

/// Returns the existing cgroups of a target; none for a unit that does not run or a cgroup that does not exist.
fn cgroups(target: &Target, root: &Path) -> Result<Vec<CgroupRef>, KernelError> {
    let found = match target {
        Target::Unit(unit) => unit_cgroups(root, unit)?,
        Target::Cgroup(path) => Cgroup::open(root, path).ok().into_iter().collect(),
    };
    let below = |cgroup: Cgroup| {
        let path = cgroup.path.strip_prefix(root).unwrap_or(&cgroup.path);
        CgroupRef {
            id: cgroup.id,
            level: cgroup.level,
            path: Path::new("/").join(path),
        }
    };
    // Level 0 is the root, which contains every process: not a valid exception.
    let found = found.into_iter().filter(|cgroup| cgroup.level > 0);
    Ok(found.map(below).collect())
}
