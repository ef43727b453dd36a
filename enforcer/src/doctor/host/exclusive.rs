//! Exclusive cgroup programs of other owners on the scope or above, which prevent attaching, and the processes that hold them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bpf::{ExclusiveProgram, exclusive_programs};
use crate::config::Config;
use crate::doctor::check::Check;
use crate::printable;
use crate::sys::{Cgroup, KernelError, cgroup_root};

const ID: &str = "exclusive cgroup programs";
/// Maximum number of processes listed for one program.
const MAX_HOLDERS: usize = 8;

/// Checks that no other program prevents attaching to the scope; `None` if there is no scope, which other checks report.
pub(super) fn check(config: Option<&Config>) -> Option<Check> {
    let scope = scope(config).ok()?;
    let path = scope.path.display();
    let Ok(found) = exclusive_programs(&scope) else {
        let message = format!("not visible for {path} without CAP_NET_ADMIN");
        return Some(Check::new(ID, true, message, ""));
    };
    let Some(first) = found.first() else {
        let message = format!("none on {path} or above");
        return Some(Check::new(ID, true, message, ""));
    };
    let programs: Vec<String> = found.iter().map(sentence).collect();
    let message = format!("a start would fail: {}", programs.join("; "));
    Some(Check::new(ID, false, message, &first.fix()))
}

fn scope(config: Option<&Config>) -> Result<Cgroup, KernelError> {
    let root = cgroup_root()?;
    let scope = config.and_then(|config| config.scope.clone());
    Cgroup::open(&root, &scope.unwrap_or_else(|| root.clone()))
}

fn sentence(exclusive: &ExclusiveProgram) -> String {
    let mut holders = holders(Path::new("/proc"), exclusive.id);
    let more = holders.len().saturating_sub(MAX_HOLDERS);
    holders.truncate(MAX_HOLDERS);
    if more > 0 {
        holders.push(format!("{more} others"));
    }
    if holders.is_empty() {
        return format!("{exclusive}, held by no process that is visible here");
    }
    format!("{exclusive}, held by {}", holders.join(", "))
}

/// Returns the ids and commands of the processes with an open descriptor of the program `id`.
fn holders(proc: &Path, id: u32) -> Vec<String> {
    let mut processes: Vec<(u32, PathBuf)> = entries(proc)
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path)))
        .collect();
    processes.sort_unstable();
    let holders = processes.into_iter().filter(|(_, path)| {
        let mut descriptors = entries(&path.join("fdinfo"));
        descriptors
            .any(|descriptor| fs::read_to_string(descriptor).is_ok_and(|fdinfo| is_of(&fdinfo, id)))
    });
    let named = holders.map(|(pid, path)| {
        let command = fs::read(path.join("comm")).unwrap_or_default();
        format!(
            "process {pid} ({})",
            printable::bytes(command.trim_ascii_end())
        )
    });
    named.collect()
}

/// Whether a descriptor refers to the program or to a link that runs it.
fn is_of(fdinfo: &str, id: u32) -> bool {
    let mut lines = fdinfo.lines();
    let program = lines.find_map(|line| line.strip_prefix("prog_id:"));
    program.and_then(|text| text.trim().parse().ok()) == Some(id)
}

/// Returns the entries of a directory; none if it does not exist (any more).
fn entries(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let found = fs::read_dir(directory).into_iter().flatten().flatten();
    found.map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_are_found_by_their_descriptors() {
        let proc = tempfile::tempdir().unwrap();
        let process = |pid: &str, command: &str, fdinfo: &str| {
            let path = proc.path().join(pid);
            fs::create_dir_all(path.join("fdinfo")).unwrap();
            fs::write(path.join("comm"), format!("{command}\n")).unwrap();
            fs::write(path.join("fdinfo/0"), "pos:\t0\nflags:\t02\n").unwrap();
            fs::write(path.join("fdinfo/7"), fdinfo).unwrap();
        };
        process("310", "agent\u{1b}[31m", "prog_type:\t8\nprog_id:\t12\n");
        process("42", "linker", "link_type:\tcgroup\nprog_id:\t12\n");
        process("7", "other", "prog_id:\t120\n");
        process("sys", "none", "prog_id:\t12\n");
        assert_eq!(
            holders(proc.path(), 12),
            ["process 42 (linker)", "process 310 (agent\\u{1b}[31m)"]
        );
        assert!(holders(proc.path(), 1).is_empty());
    }
}
