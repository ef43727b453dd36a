//! Runs a program until just before its step of a number, and kills it there: `egress-until STEP PROGRAM ARGUMENT…`. Steps are the system
//! calls that change what is pinned or attached. A program that gets to listen on a socket is past them all, and is killed too. Prints the
//! number of steps that were made.

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

/// `struct ptrace_syscall_info` (linux/ptrace.h) as far as it is filled in where a call begins.
#[derive(Default)]
#[repr(C)]
struct SyscallInfo {
    /// Why it stopped, in the first byte, and where.
    head: [u64; 3],
    number: u64,
    arguments: [u64; 6],
}

impl SyscallInfo {
    fn of(pid: Pid) -> io::Result<Self> {
        let mut info = Self::default();
        // SAFETY: the kernel writes no more than the size says, and the structure outlives the call.
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
    // SAFETY: one system call between fork and exec.
    unsafe { command.pre_exec(traced) };
    let child = command.spawn().context("start the program")?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let made = follow(pid, last)?;
    Ok(writeln!(io::stdout(), "{made}")?)
}

/// Lets `pid` make its steps up to the one before `last`.
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
            bail!("the program ended by itself: {status:?}");
        }
    }
}

/// What a program is about to do.
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

/// Calls that newer architectures have in their `at` form alone.
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
