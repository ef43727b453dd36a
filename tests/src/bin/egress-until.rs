//! Runs a program and kills it just before a given step: `egress-until STEP PROGRAM ARGUMENT…`. Steps are the system calls that change pins
//! or attachments. A program that starts to listen on a socket has passed all steps and is killed, too. Prints the number of steps reached.

use std::{
    env,
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use nix::sys::{
    ptrace::{self, Options},
    signal::{Signal, kill},
    wait::{WaitStatus, waitpid},
};
use nix::unistd::Pid;

/// `BPF_OBJ_PIN` and `BPF_LINK_CREATE` of linux/bpf.h.
const BPF_COMMANDS: [u64; 2] = [6, 28];
/// `PTRACE_GET_SYSCALL_INFO` of linux/ptrace.h.
const GET_SYSCALL_INFO: u16 = 0x420e;
/// `PTRACE_SYSCALL_INFO_ENTRY` of linux/ptrace.h.
const ENTRY: u8 = 1;

/// The part of `struct ptrace_syscall_info` (linux/ptrace.h) that is filled in at syscall entry.
#[derive(Default)]
#[repr(C)]
struct SyscallInfo {
    /// The reason of the stop in the first byte, then architecture and pointers.
    head: [u64; 3],
    number: u64,
    arguments: [u64; 6],
}

impl SyscallInfo {
    fn of(pid: Pid) -> io::Result<Self> {
        let mut info = Self::default();
        // SAFETY: the kernel writes at most the given size, and the structure outlives the call.
        let written = unsafe {
            libc::ptrace(
                GET_SYSCALL_INFO.into(),
                pid.as_raw(),
                size_of::<Self>(),
                &raw mut info,
            )
        };
        if written < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(info)
    }
}

fn main() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let step = arguments.next().context("no step")?;
    let last: u64 = step.to_str().context("no number")?.parse()?;
    let mut command = Command::new(arguments.next().context("no program")?);
    command.args(arguments);
    let traced = || ptrace::traceme().map_err(io::Error::from);
    // SAFETY: makes one system call between fork and exec.
    unsafe { command.pre_exec(traced) };
    let child = command.spawn().context("start the program")?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let made = follow(pid, last)?;
    Ok(writeln!(io::stdout(), "{made}")?)
}

/// Traces `pid` up to its step `last`, kills it there, and returns the number of steps reached.
fn follow(pid: Pid, last: u64) -> Result<u64> {
    let mut made = 0;
    let mut signal = None;
    waitpid(pid, None).context("wait for the start")?;
    ptrace::setoptions(
        pid,
        Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL,
    )?;
    loop {
        ptrace::syscall(pid, signal.take())?;
        let status = waitpid(pid, None)?;
        if let WaitStatus::Stopped(_, pending) = status {
            signal = Some(pending);
        } else if let WaitStatus::PtraceSyscall(_) = status {
            let call = Call::of(pid)?;
            made += u64::from(call == Call::Step);
            if call == Call::Listen || (call == Call::Step && made == last) {
                kill(pid, Signal::SIGKILL)?;
                while !matches!(waitpid(pid, None)?, WaitStatus::Signaled(..)) {}
                return Ok(made);
            }
        } else {
            bail!("the program ended before: {status:?}");
        }
    }
}

/// The kind of a system call.
#[derive(PartialEq, Eq)]
enum Call {
    Step,
    Listen,
    Other,
}

impl Call {
    fn of(pid: Pid) -> Result<Self> {
        let info = SyscallInfo::of(pid)?;
        if info.head[0].to_ne_bytes()[0] != ENTRY {
            return Ok(Self::Other);
        }
        let number = i64::try_from(info.number)?;
        let is_step = match number {
            libc::SYS_bpf => BPF_COMMANDS.contains(&info.arguments[0]),
            libc::SYS_mkdirat | libc::SYS_unlinkat | libc::SYS_renameat | libc::SYS_renameat2 => {
                true
            }
            _ => is_old_step(number),
        };
        Ok(match number {
            libc::SYS_listen => Self::Listen,
            _ if is_step => Self::Step,
            _ => Self::Other,
        })
    }
}

/// Whether a call is a step that newer architectures have in its `at` form only.
#[cfg(target_arch = "x86_64")]
fn is_old_step(number: i64) -> bool {
    [
        libc::SYS_mkdir,
        libc::SYS_rmdir,
        libc::SYS_unlink,
        libc::SYS_rename,
    ]
    .contains(&number)
}

#[cfg(not(target_arch = "x86_64"))]
fn is_old_step(_number: i64) -> bool {
    false
}
