//! Whether the kernel takes the programs, and what may keep it from that.

use super::facts::Facts;
use crate::bpf::FLOOR;
use crate::doctor::check::Check;
use crate::sys::KernelError;

/// Since then maps count as memory of the process's cgroup, and no longer as locked memory.
const NO_LOCKED_MEMORY: (u32, u32) = (5, 11);
/// Room for all maps twice, in bytes: while a daemon takes over, there are two sets.
const LOCKED_MEMORY: u64 = 64 << 20;

pub(super) fn object(facts: &Facts) -> Check {
    let fix = "install a release build, or build with ./x build";
    let found = format!("{} bytes", facts.object);
    Check::new(
        "kernel program in this binary",
        facts.object > 0,
        found,
        fix,
    )
}

pub(super) fn version(facts: &Facts) -> Check {
    let fit = facts.version() >= (u32::from(FLOOR.0), u32::from(FLOOR.1));
    let fix = "use kernel 5.10 or newer";
    Check::new("kernel version", fit, facts.release.clone(), fix)
}

pub(super) fn jit(facts: &Facts) -> Check {
    let enabled = facts.jit.as_deref().unwrap_or("unknown");
    let fix = "sysctl net.core.bpf_jit_enable=1: without it each packet costs many times more";
    let found = format!("bpf_jit_enable = {enabled}");
    Check::new("BPF compiler (JIT)", enabled != "0", found, fix)
}

/// Nothing follows from this; people who know other BPF programs ask.
pub(super) fn types(facts: &Facts) -> Check {
    let there = if facts.types { "there" } else { "not there" };
    let found = format!("{there}, and not needed");
    Check::new("kernel type information (BTF)", true, found, "")
}

/// What lockdown forbids to BPF are the helpers that read kernel memory (`LOCKDOWN_BPF_READ_KERNEL`, from confidentiality mode on) and that
/// write to a process's (`LOCKDOWN_BPF_WRITE_USER`). The programs call neither.
pub(super) fn lockdown(facts: &Facts) -> Check {
    let levels = facts.lockdown.as_deref().unwrap_or("[none]");
    let level = levels.split(['[', ']']).nth(1).unwrap_or("unknown");
    let found = match level {
        "none" => "none".to_owned(),
        _ => format!("{level}: no hindrance, the programs read no kernel memory"),
    };
    Check::new("kernel lockdown", true, found, "")
}

/// Who has no capability for BPF is what this is about; the daemon has.
pub(super) fn unprivileged(facts: &Facts) -> Check {
    let setting = facts.unprivileged.as_deref().unwrap_or("unknown");
    let found = format!("unprivileged_bpf_disabled = {setting}: no hindrance");
    Check::new("BPF without privilege", true, found, "")
}

pub(super) fn locked_memory(facts: &Facts) -> Check {
    let what = "locked memory";
    if facts.version() >= NO_LOCKED_MEMORY {
        return Check::new(what, true, "not counted by this kernel", "");
    }
    let fix =
        "start it as a service (its unit has LimitMEMLOCK=infinity), or ulimit -l unlimited first";
    let fit = facts
        .locked_memory
        .is_none_or(|limit| limit >= LOCKED_MEMORY);
    let limit = facts.locked_memory;
    let found = limit.map_or("unlimited".to_owned(), |limit| {
        format!("{} KiB", limit >> 10)
    });
    Check::new(what, fit, found, fix)
}

/// What came of having the kernel take the programs.
pub(super) fn rehearsal(facts: &Facts, outcome: &Result<(), KernelError>) -> Check {
    let fix = match outcome {
        Err(KernelError::Privilege { .. }) => refusal(facts),
        Err(KernelError::Verifier { .. }) => {
            "report this with the kernel's version; until it is fixed, another kernel takes the programs".to_owned()
        }
        Err(KernelError::NoProgram | KernelError::TooOld { .. }) => "see above".to_owned(),
        Ok(()) | Err(_) => "see dmesg for what the kernel says; where memory is short, raise the limit of the service or container \
            (MemoryMax=, docker run --memory)".to_owned(),
    };
    Check::new(
        "loading the programs",
        outcome.is_ok(),
        reason(outcome),
        &fix,
    )
}

/// Who may have refused, by what is in force here.
fn refusal(facts: &Facts) -> String {
    if !super::rights::missing(facts).is_empty() || facts.in_user_namespace {
        return "give this process the capabilities above first".to_owned();
    }
    let mut suspects = Vec::new();
    if facts.status("Seccomp") == Some("2") {
        suspects.push(
            "a system call filter is in force, which has to let bpf(2) pass (docker run --security-opt seccomp=…, SystemCallFilter=bpf)",
        );
    }
    let modules = facts.modules.as_deref().unwrap_or_default();
    if modules.contains("selinux") {
        suspects.push("SELinux is in force: ausearch -m avc -c egress-enforcer shows what its policy has to let (class bpf)");
    }
    if modules.contains("apparmor") {
        suspects.push("AppArmor is in force: a profile over this program needs capability bpf, net_admin and perfmon");
    }
    if suspects.is_empty() {
        suspects.push("something on this host refuses bpf(2): see dmesg and the audit log");
    }
    suspects.join("; ")
}

/// The outcome of a rehearsal in words.
fn reason(outcome: &Result<(), KernelError>) -> String {
    match outcome {
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
    fn an_old_kernel_and_an_empty_binary_are_unfit() {
        assert!(!version(&on("5.9.16", None)).is_ok());
        assert!(version(&on("5.10.0", None)).is_ok());
        assert!(!version(&on("unknown", None)).is_ok());
        assert!(!object(&Facts::default()).is_ok());
    }

    #[test]
    fn only_a_compiler_that_is_switched_off_is_unfit() {
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
    fn neither_lockdown_nor_missing_types_are_in_the_way() {
        let facts = Facts {
            lockdown: Some("none integrity [confidentiality]".to_owned()),
            ..Facts::default()
        };
        let check = lockdown(&facts);
        assert!(check.is_ok() && check.message.starts_with("confidentiality: no hindrance"));
        assert_eq!(lockdown(&Facts::default()).message, "none");
        assert_eq!(types(&facts).message, "not there, and not needed");
        assert!(unprivileged(&facts).is_ok());
    }

    #[test]
    fn a_refusal_names_who_may_have_refused() {
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
            let check = rehearsal(&facts, &refused());
            assert!(!check.is_ok() && check.fix.contains(words), "{check:?}");
        }
        assert!(rehearsal(&Facts::default(), &Ok(())).is_ok());
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

    /// The helpers that the programs of an ELF object call: instruction `BPF_JMP | BPF_CALL` with source register 0, in executable sections.
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
