//! Whether the kernel loads the programs, and what may prevent it.

use super::facts::Facts;
use crate::bpf::FLOOR;
use crate::doctor::check::Check;
use crate::sys::KernelError;

/// First kernel on which maps count as memory of the process's cgroup, not as locked memory.
const NO_LOCKED_MEMORY: (u32, u32) = (5, 11);
/// Locked memory for two sets of maps, in bytes: both exist while a new version takes over.
const LOCKED_MEMORY: u64 = 64 << 20;

/// Checks that this binary contains the programs.
pub(super) fn embedded(facts: &Facts) -> Check {
    let fix = "install a release build, or build with ./x build";
    let message = format!("{} bytes", facts.object);
    Check::new(
        "kernel program in this binary",
        facts.object > 0,
        message,
        fix,
    )
}

/// Checks the version of the kernel.
pub(super) fn version(facts: &Facts) -> Check {
    let passed = facts.version() >= (u32::from(FLOOR.0), u32::from(FLOOR.1));
    let fix = "use kernel 5.10 or newer";
    Check::new("kernel version", passed, facts.release.clone(), fix)
}

/// Checks that programs are compiled.
pub(super) fn jit(facts: &Facts) -> Check {
    let enabled = facts.jit.as_deref().unwrap_or("unknown");
    let fix =
        "sysctl net.core.bpf_jit_enable=1: without it, each packet costs many times more CPU time";
    let message = format!("bpf_jit_enable = {enabled}");
    Check::new("BPF compiler (JIT)", enabled != "0", message, fix)
}

/// Reports BTF, which other BPF programs need and these do not.
pub(super) fn btf(facts: &Facts) -> Check {
    let presence = if facts.types { "present" } else { "absent" };
    let message = format!("{presence}, and not needed");
    Check::new("kernel type information (BTF)", true, message, "")
}

/// Reports the lockdown level. Lockdown denies BPF programs the helpers that read kernel memory (`LOCKDOWN_BPF_READ_KERNEL`, from confidentiality mode on) and that
/// write to memory of a process (`LOCKDOWN_BPF_WRITE_USER`). The programs call neither.
pub(super) fn lockdown(facts: &Facts) -> Check {
    let levels = facts.lockdown.as_deref().unwrap_or("[none]");
    let level = levels.split(['[', ']']).nth(1).unwrap_or("unknown");
    let message = match level {
        "none" => "none".to_owned(),
        _ => format!("{level}: not a problem, the programs read no kernel memory"),
    };
    Check::new("kernel lockdown", true, message, "")
}

/// Reports the setting for processes without capabilities; the daemon has them.
pub(super) fn unprivileged(facts: &Facts) -> Check {
    let setting = facts.unprivileged.as_deref().unwrap_or("unknown");
    let message = format!("unprivileged_bpf_disabled = {setting}: not a problem");
    Check::new("BPF without privilege", true, message, "")
}

/// Checks the limit of locked memory, on kernels where maps count towards it.
pub(super) fn locked_memory(facts: &Facts) -> Check {
    let id = "locked memory";
    if facts.version() >= NO_LOCKED_MEMORY {
        return Check::new(id, true, "not counted by this kernel", "");
    }
    let fix =
        "start it as a service (its unit has LimitMEMLOCK=infinity), or ulimit -l unlimited first";
    let passed = facts
        .locked_memory
        .is_none_or(|limit| limit >= LOCKED_MEMORY);
    let limit = facts.locked_memory;
    let message = limit.map_or("unlimited".to_owned(), |limit| {
        format!("{} KiB", limit >> 10)
    });
    Check::new(id, passed, message, fix)
}

/// Checks the result of loading the programs.
pub(super) fn load(facts: &Facts, result: &Result<(), KernelError>) -> Check {
    let fix = match result {
        Err(KernelError::Privilege { .. }) => refusal(facts),
        Err(KernelError::Verifier { .. }) => {
            "report this with the kernel's version, and use another kernel until it is fixed"
                .to_owned()
        }
        Err(KernelError::NoProgram | KernelError::TooOld { .. }) => "see above".to_owned(),
        Ok(()) | Err(_) => {
            "see dmesg; where memory is short, raise the limit of the service or container \
            (MemoryMax=, docker run --memory)"
                .to_owned()
        }
    };
    Check::new("loading the programs", result.is_ok(), reason(result), &fix)
}

/// Returns the fix for a refusal, depending on what is active on this host.
fn refusal(facts: &Facts) -> String {
    if !super::capabilities::missing(facts).is_empty() || facts.in_user_namespace {
        return "grant this process the capabilities above first".to_owned();
    }
    let mut causes = Vec::new();
    if facts.status("Seccomp") == Some("2") {
        causes.push(
            "a system call filter is active, which must allow bpf(2) (docker run --security-opt seccomp=…, SystemCallFilter=bpf)",
        );
    }
    let modules = facts.modules.as_deref().unwrap_or_default();
    if modules.contains("selinux") {
        causes.push("SELinux is active: ausearch -m avc -c egress-enforcer shows what its policy must allow (class bpf)");
    }
    if modules.contains("apparmor") {
        causes.push("AppArmor is active: a profile of this program needs capability bpf, net_admin and perfmon");
    }
    if causes.is_empty() {
        causes.push("something on this host refuses bpf(2): see dmesg and the audit log");
    }
    causes.join("; ")
}

/// Returns the result of loading the programs as text.
fn reason(result: &Result<(), KernelError>) -> String {
    match result {
        Ok(()) => "the kernel accepts them".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::OBJECT;

    fn on(release: &str, locked_memory: Option<u64>) -> Facts {
        Facts {
            release: release.to_owned(),
            locked_memory,
            ..Facts::default()
        }
    }

    #[test]
    fn an_old_kernel_and_an_empty_binary_fail() {
        assert!(!version(&on("5.9.16", None)).is_ok());
        assert!(version(&on("5.10.0", None)).is_ok());
        assert!(!version(&on("unknown", None)).is_ok());
        assert!(!embedded(&Facts::default()).is_ok());
    }

    #[test]
    fn only_a_disabled_compiler_fails() {
        let with = |jit: Option<&str>| {
            let jit = jit.map(str::to_owned);
            super::jit(&Facts {
                jit,
                ..Facts::default()
            })
        };
        assert!(!with(Some("0")).is_ok());
        assert!(with(Some("1")).is_ok());
        assert!(with(None).is_ok(), "a container does not see it");
    }

    #[test]
    fn locked_memory_counts_before_5_11() {
        assert!(!locked_memory(&on("5.10.0", Some(65536))).is_ok());
        assert!(locked_memory(&on("5.10.0", Some(64 << 20))).is_ok());
        assert!(locked_memory(&on("5.10.0", None)).is_ok());
        assert!(locked_memory(&on("5.11.0", Some(0))).is_ok());
    }

    #[test]
    fn lockdown_and_missing_btf_pass() {
        let facts = Facts {
            lockdown: Some("none integrity [confidentiality]".to_owned()),
            ..Facts::default()
        };
        let check = lockdown(&facts);
        assert!(check.is_ok() && check.message.starts_with("confidentiality: not a problem"));
        assert_eq!(lockdown(&Facts::default()).message, "none");
        assert_eq!(btf(&facts).message, "absent, and not needed");
        assert!(unprivileged(&facts).is_ok());
    }

    #[test]
    fn a_refusal_names_what_may_have_refused() {
        let refused = || {
            Err(KernelError::Privilege {
                what: "create the maps".to_owned(),
            })
        };
        let facts = |status: &str, modules: &str| Facts {
            status: format!("CapEff:\t000000c000001000\n{status}"),
            modules: Some(modules.to_owned()),
            ..Facts::default()
        };
        for (facts, words) in [
            (facts("Seccomp:\t2\n", "capability"), "bpf(2)"),
            (facts("", "lockdown,selinux,bpf"), "ausearch"),
            (facts("", "apparmor"), "AppArmor"),
            (facts("Seccomp:\t0\n", ""), "audit log"),
            (Facts::default(), "capabilities above"),
        ] {
            let check = load(&facts, &refused());
            assert!(!check.is_ok() && check.fix.contains(words), "{check:?}");
        }
        assert!(load(&Facts::default(), &Ok(())).is_ok());
    }

    /// Helpers (linux/bpf.h) that lockdown refuses: `probe_read`, `probe_read_str`, `probe_read_kernel`, `probe_read_kernel_str`,
    /// `probe_write_user`, `probe_read_user` and `probe_read_user_str` beside them.
    const LOCKED: [u32; 7] = [4, 36, 45, 112, 113, 114, 115];

    #[test]
    fn the_programs_call_no_helper_that_lockdown_refuses() {
        if OBJECT.is_empty() {
            eprintln!("NOT RUN: this build has no kernel programs");
            return;
        }
        let helpers = helpers(OBJECT);
        assert!(helpers.contains(&1), "map lookups are found: {helpers:?}");
        for helper in LOCKED {
            assert!(!helpers.contains(&helper), "helper {helper}");
        }
    }

    /// Returns the helpers that the programs of an ELF object call: instruction `BPF_JMP | BPF_CALL` with source register 0, in executable sections.
    fn helpers(object: &[u8]) -> std::collections::BTreeSet<u32> {
        let number = |at: usize, size: usize| {
            let bytes = object[at..at + size].iter().rev();
            bytes.fold(0, |value: u64, byte| value << 8 | u64::from(*byte))
        };
        let index = |at, size| usize::try_from(number(at, size)).unwrap();
        let (sections, size, count) = (index(0x28, 8), index(0x3a, 2), index(0x3c, 2));
        let executable = (0..count).map(|section| sections + section * size);
        let executable = executable.filter(|header| number(header + 8, 8) & 4 != 0);
        let code = executable.flat_map(|header| {
            let (start, length) = (index(header + 0x18, 8), index(header + 0x20, 8));
            object[start..start + length].as_chunks::<8>().0
        });
        let calls = code.filter(|instruction| instruction[0] == 0x85 && instruction[1] >> 4 == 0);
        calls
            .map(|call| u32::from_le_bytes([call[4], call[5], call[6], call[7]]))
            .collect()
    }
}
