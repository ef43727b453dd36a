//! The cgroup of an event: its path, and the unit and container that the path identifies.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use crate::core::PROOF;
use crate::printable;
use crate::sys::paths_by_id;

/// Maximum number of cached cgroups; the path of a removed one cannot be found again.
const MAX_CACHED: usize = 128;
/// Burst of scans of the tree, then one per [`SCAN_INTERVAL`]: a scan of a large tree takes tens of milliseconds.
const MAX_SCANS: u32 = 16;
/// See [`MAX_SCANS`].
const SCAN_INTERVAL: Duration = Duration::from_secs(1);
/// Number of hexadecimal digits in a container's id, for every runtime.
const ID_DIGITS: usize = 64;
/// Cgroup of the unit that runs `prove`.
const PROOF_UNIT: &str = "/system.slice/egress-enforcer-prove.service";
/// The types of unit, other than slices, that have a cgroup (systemd.resource-control(5)).
const UNIT_TYPES: [&str; 5] = ["service", "scope", "socket", "mount", "swap"];

/// Path, unit and container of a cgroup.
#[derive(Clone, Debug)]
pub(super) struct CgroupInfo {
    /// Path below the root of the tree.
    pub(super) path: PathBuf,
    /// See [`unit_of`]; [`PROOF`] for attempts of `prove`.
    pub(super) unit: Option<String>,
    /// See [`container_of`].
    pub(super) container: Option<String>,
}

/// Finds cgroups by id, with a cache of the most recently used ones. Ids are never reused, so cached entries stay valid.
#[derive(Debug)]
pub(super) struct CgroupInfos {
    root: PathBuf,
    /// Path of the governed cgroup below the root.
    scope: PathBuf,
    /// The cache, most recently used last.
    known: Vec<(u64, CgroupInfo)>,
    /// Result of the last scan of the tree.
    tree: HashMap<u64, PathBuf>,
    scans: Scans,
}

/// Rate limit of scans of the tree: a cgroup may be removed before its event is read, and each failed search costs a scan.
#[derive(Debug)]
struct Scans {
    left: u32,
    since: Instant,
}

impl CgroupInfos {
    /// `scope` is the directory of the governed cgroup below `root`.
    pub(super) fn new(root: PathBuf, scope: &Path) -> Self {
        let below = scope.strip_prefix(&root).unwrap_or(scope);
        Self {
            scope: Path::new("/").join(below),
            root,
            known: Vec::new(),
            tree: HashMap::new(),
            scans: Scans {
                left: MAX_SCANS,
                since: Instant::now(),
            },
        }
    }

    /// Returns the cgroup `id`; `None` if it is gone and not cached, or if the rate limit of scans is reached.
    pub(super) fn find(&mut self, id: u64) -> Option<&CgroupInfo> {
        let known = self.known.iter().position(|(known, _)| *known == id);
        let cgroup = match known {
            Some(at) => self.known.remove(at).1,
            None => {
                let path = self.scan(id)?.to_owned();
                let info = CgroupInfo::at(&printable::path(&path));
                let unit = self.proof(&path).or_else(|| info.unit.clone());
                CgroupInfo { unit, ..info }
            }
        };
        Some(self.cache(id, cgroup))
    }

    /// Returns [`PROOF`] for the cgroups that `prove` creates, which nobody else can: whoever has a cgroup can name one below it so.
    fn proof(&self, path: &Path) -> Option<String> {
        let above = path.parent().filter(|_| path.ends_with(PROOF))?;
        let is_proof = above == self.scope || above == Path::new(PROOF_UNIT);
        is_proof.then(|| PROOF.to_owned())
    }

    fn scan(&mut self, id: u64) -> Option<&Path> {
        if !self.tree.contains_key(&id) && self.scans.take(Instant::now()) {
            self.tree = paths_by_id(&self.root);
        }
        self.tree.get(&id).map(PathBuf::as_path)
    }

    fn cache(&mut self, id: u64, cgroup: CgroupInfo) -> &CgroupInfo {
        if self.known.len() == MAX_CACHED {
            self.known.remove(0);
        }
        &self.known.push_mut((id, cgroup)).1
    }
}

impl Scans {
    /// Takes a scan from the budget, which refills by one per interval; returns whether one was left.
    fn take(&mut self, now: Instant) -> bool {
        let refill = now.saturating_duration_since(self.since).as_secs() / SCAN_INTERVAL.as_secs();
        if refill > 0 {
            let refill = u32::try_from(refill).unwrap_or(MAX_SCANS);
            self.left = self.left.saturating_add(refill).min(MAX_SCANS);
            self.since = now;
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

impl CgroupInfo {
    fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            unit: unit_of(path),
            container: container_of(path),
        }
    }
}

/// Returns the system unit of a cgroup: the first component below the slices, which the `unit` of an exception names. Deeper components do
/// not count, since a service, a user's manager or a container names them freely: for
/// `/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope` it is `user@1000.service`.
fn unit_of(path: &Path) -> Option<String> {
    let first = names(path).find(|name| !name.ends_with(".slice"))?;
    let (stem, kind) = first.rsplit_once('.')?;
    let is_unit = !stem.is_empty() && UNIT_TYPES.contains(&kind);
    is_unit.then(|| first.to_owned())
}

/// Returns the container of a cgroup: the 64 digits in `docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope`,
/// `…:cri-containerd:ID`, or in a separate component (`/docker/ID`, `/kubepods/…/pod…/ID`). The outermost counts, since deeper ones are named
/// from inside; but below a user's manager, the user chooses the names. A runtime's monitor (`libpod-conmon-ID.scope`) is outside its
/// container.
fn container_of(path: &Path) -> Option<String> {
    names(path).find_map(container_id).map(str::to_owned)
}

fn container_id(name: &str) -> Option<&str> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (runtime, id) = name.split_at_checked(name.len().checked_sub(ID_DIGITS)?)?;
    let digits = id
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let apart = runtime.is_empty() || runtime.ends_with(['-', ':']);
    (digits && apart && !runtime.ends_with("conmon-")).then_some(id)
}

fn names(path: &Path) -> impl Iterator<Item = &str> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => name.to_str(),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => {
            None
        }
    })
}

#[cfg(test)]
mod tests;
