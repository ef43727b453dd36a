//! Exclusive cgroup programs of others, which prevent attaching this project's programs.
//!
//! A program that was attached without `BPF_F_ALLOW_MULTI` is exclusive: the kernel allows no other at its cgroup and, unless it was attached with
//! `BPF_F_ALLOW_OVERRIDE`, none at the cgroups below (kernel/bpf/cgroup.c, `hierarchy_allows_attach`).

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use aya::programs::loaded_programs;
use enforcer_common::Hook;
use enforcer_common::layout::{DNS_SNOOP, SOCKET_OWNER};

use super::syscall;
use crate::sys::{Cgroup, KernelError};

/// `BPF_PROG_QUERY` of linux/bpf.h.
const PROG_QUERY: libc::c_int = 16;
/// `BPF_F_ALLOW_OVERRIDE` and `BPF_F_ALLOW_MULTI` of linux/bpf.h.
const ALLOW_OVERRIDE: u32 = 1;
const ALLOW_MULTI: u32 = 2;

/// An attach point: this project's program, its `enum bpf_attach_type` (linux/bpf.h), and its name in bpftool.
struct AttachPoint {
    program: &'static str,
    number: u32,
    word: &'static str,
}

impl AttachPoint {
    const fn new(program: &'static str, number: u32, word: &'static str) -> Self {
        Self {
            program,
            number,
            word,
        }
    }
}

const ATTACH_POINTS: [AttachPoint; 7] = [
    AttachPoint::new(Hook::Egress.word(), 1, "egress"),
    AttachPoint::new(Hook::Connect4.word(), 10, "connect4"),
    AttachPoint::new(Hook::Connect6.word(), 11, "connect6"),
    AttachPoint::new(Hook::Sendmsg4.word(), 14, "sendmsg4"),
    AttachPoint::new(Hook::Sendmsg6.word(), 15, "sendmsg6"),
    AttachPoint::new(SOCKET_OWNER, 2, "sock_create"),
    AttachPoint::new(DNS_SNOOP, 0, "ingress"),
];

/// A program that its cgroup runs exclusively.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusiveProgram {
    /// Its cgroup: the scope, or one above it.
    pub cgroup: PathBuf,
    /// Its attach point, as bpftool names it.
    pub attach_point: &'static str,
    /// Its id.
    pub id: u32,
    /// Its name; `None` without `CAP_SYS_ADMIN`, which reading it requires.
    pub name: Option<String>,
}

impl ExclusiveProgram {
    /// The fix.
    pub fn fix(&self) -> String {
        let Self {
            attach_point, id, ..
        } = self;
        let cgroup = self.cgroup.display();
        let mut fix = format!(
            "its owner must attach it with BPF_F_ALLOW_MULTI or detach it (`bpftool cgroup detach {cgroup} {attach_point} id {id}`)"
        );
        if self.name.is_none() {
            fix.push_str(&format!(
                "; `egress-enforcer doctor` as root shows its name and the processes that hold it, as does `bpftool prog show id {id}`"
            ));
        }
        fix
    }
}

impl ExclusiveProgram {
    /// The error of an operation that it prevents.
    fn prevents(&self, what: String) -> KernelError {
        KernelError::Exclusive {
            what,
            program: self.to_string(),
            fix: self.fix(),
        }
    }
}

impl fmt::Display for ExclusiveProgram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            attach_point, id, ..
        } = self;
        write!(formatter, "{} runs the program ", self.cgroup.display())?;
        match &self.name {
            Some(name) => write!(formatter, "{name} (id {id})")?,
            None => write!(formatter, "with id {id}")?,
        }
        write!(formatter, " exclusively at {attach_point}")
    }
}

/// The programs that prevent attaching this project's programs to `scope`.
///
/// # Errors
/// If the kernel does not list the attached programs: that requires `CAP_NET_ADMIN`.
pub fn exclusive_programs(scope: &Cgroup) -> io::Result<Vec<ExclusiveProgram>> {
    let found = ATTACH_POINTS.iter().map(|point| blocking(point, scope));
    let found: Vec<_> = found.collect::<io::Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

/// The error of attaching `program` to `scope`, which names an exclusive program if there is one.
pub(super) fn refusal<E>(program: &str, scope: &Cgroup, error: E) -> KernelError
where
    E: std::error::Error + Send + Sync + 'static,
{
    let what = format!("attach {program} to {}", scope.path.display());
    let refused = KernelError::failed(what.clone())(error);
    if !matches!(refused, KernelError::Privilege { .. }) {
        return refused;
    }
    let mut points = ATTACH_POINTS.iter();
    let point = points.find(|point| point.program == program);
    match point.and_then(|point| blocking(point, scope).ok().flatten()) {
        Some(exclusive) => exclusive.prevents(what),
        None => refused,
    }
}

/// The exclusive program at one attach point, if there is one.
fn blocking(point: &AttachPoint, scope: &Cgroup) -> io::Result<Option<ExclusiveProgram>> {
    let beside = Attached::at(point, scope.as_fd())?;
    if beside.is_alone() {
        return Ok(beside.exclusive(point, &scope.path));
    }
    let above = scope.path.ancestors().skip(1);
    for cgroup in above.take(usize::try_from(scope.level).unwrap_or(usize::MAX)) {
        let attached = Attached::at(point, File::open(cgroup)?.as_fd())?;
        if attached.is_alone() && attached.flags & ALLOW_OVERRIDE == 0 {
            return Ok(attached.exclusive(point, cgroup));
        }
        // The nearest cgroup with programs decides.
        if attached.first.is_some() {
            break;
        }
    }
    Ok(None)
}

/// The programs attached to one cgroup.
#[derive(Debug)]
struct Attached {
    flags: u32,
    /// The id of the first program.
    first: Option<u32>,
}

/// The part of `union bpf_attr` (linux/bpf.h) that `BPF_PROG_QUERY` takes.
#[repr(C)]
struct ProgQuery {
    target_fd: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    prog_ids: u64,
    prog_cnt: u32,
    padding: u32,
}

impl Attached {
    fn at(point: &AttachPoint, cgroup: BorrowedFd<'_>) -> io::Result<Self> {
        let mut ids = [0_u32; 1];
        let mut query = ProgQuery {
            target_fd: u32::try_from(cgroup.as_raw_fd()).map_err(io::Error::other)?,
            attach_type: point.number,
            query_flags: 0,
            attach_flags: 0,
            prog_ids: ids.as_mut_ptr().expose_provenance() as u64,
            prog_cnt: 1,
            padding: 0,
        };
        // SAFETY: the array of one id outlives the call, and the attributes are of this command.
        let result = unsafe { syscall::done(PROG_QUERY, &mut query) };
        match result {
            Ok(()) => {}
            // More than one: then none is exclusive, and the first is returned.
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => {}
            Err(error) => return Err(error),
        }
        Ok(Self {
            flags: query.attach_flags,
            first: ids.first().copied().filter(|id| *id != 0),
        })
    }

    const fn is_alone(&self) -> bool {
        self.first.is_some() && self.flags & ALLOW_MULTI == 0
    }

    fn exclusive(&self, point: &AttachPoint, cgroup: &Path) -> Option<ExclusiveProgram> {
        let id = self.first?;
        Some(ExclusiveProgram {
            cgroup: cgroup.to_owned(),
            attach_point: point.word,
            id,
            name: name(id),
        })
    }
}

/// Name of a loaded program; the kernel accepts letters, digits, `_` and `.` only.
fn name(id: u32) -> Option<String> {
    let mut programs = loaded_programs().filter_map(Result::ok);
    let found = programs.find(|program| program.id() == id)?;
    let name = found.name_as_str()?;
    Some(
        if name.is_empty() {
            "without a name"
        } else {
            name
        }
        .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exclusive(name: Option<&str>) -> ExclusiveProgram {
        ExclusiveProgram {
            cgroup: "/sys/fs/cgroup/agents.slice".into(),
            attach_point: "egress",
            id: 12,
            name: name.map(str::to_owned),
        }
    }

    #[test]
    fn the_error_names_cgroup_program_and_fix() {
        let error = exclusive(Some("agent_egress"))
            .prevents("attach egress to /sys/fs/cgroup/agents.slice/a.service".to_owned());
        assert_eq!(
            error.to_string(),
            "cannot attach egress to /sys/fs/cgroup/agents.slice/a.service: /sys/fs/cgroup/agents.slice runs the program agent_egress \
             (id 12) exclusively at egress: its owner must attach it with BPF_F_ALLOW_MULTI or detach it \
             (`bpftool cgroup detach /sys/fs/cgroup/agents.slice egress id 12`)"
        );
    }

    #[test]
    fn an_error_without_a_name_explains_how_to_find_it() {
        let nameless = exclusive(None);
        assert!(nameless.to_string().contains("the program with id 12"));
        let fix = nameless.fix();
        assert!(fix.contains("`egress-enforcer doctor` as root"), "{fix}");
        assert!(fix.contains("bpftool prog show id 12"), "{fix}");
    }
}
