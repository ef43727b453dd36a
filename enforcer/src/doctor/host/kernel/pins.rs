//! The BPF file system for the pins, and the pins in it.

use std::path::Path;

use enforcer_common::layout::VERSION;

use super::capabilities::SYS_ADMIN;
use super::facts::Facts;
use crate::bpf::{BPFFS, Pins};
use crate::core::MissingHooks;
use crate::doctor::check::Check;
use crate::sys::KernelError;

/// Checks that `base` is on a writable BPF file system, or that one can be mounted there.
pub(super) fn file_system(facts: &Facts, base: &Path) -> Check {
    let id = "BPF file system for the pins";
    let fix = "mount -t bpf -o mode=700 bpf /sys/fs/bpf, or set paths.pins to a directory on a BPF file system; \
        in a container, give it the host's: -v /sys/fs/bpf:/sys/fs/bpf";
    let mount = facts
        .mounts()
        .filter(|mount| base.starts_with(mount.point))
        .last();
    if let Some(mount) = mount.filter(|mount| mount.kind == "bpf") {
        let point = mount.point;
        if mount.has("ro") {
            let fix = format!("mount it for writing: mount -o remount,rw {point}");
            return Check::new(id, false, format!("{point}, read-only"), &fix);
        }
        return Check::new(id, true, point, "");
    }
    let may_mount = facts.capabilities("CapEff") >> SYS_ADMIN & 1 == 1;
    if base.starts_with(BPFFS) && may_mount {
        return Check::new(id, true, "not mounted; `run` mounts it", "");
    }
    Check::new(id, false, "not mounted", fix)
}

/// Checks that existing pins belong to the enforcer and are attached. Those of another version pass: `run` takes over from them.
pub(super) fn pinned(pins: &Pins) -> Check {
    let missing = MissingHooks::new(&pins.attached());
    let (passed, message) = match pins.judge() {
        Ok(true) if !missing.is_empty() => return incomplete(&missing),
        Ok(true) => (true, format!("in force, layout version {VERSION}")),
        Ok(false) => (true, "none in force".to_owned()),
        Err(KernelError::OtherVersion { version, .. }) => (
            true,
            format!("in force, layout version {version}; `run` takes over with version {VERSION}"),
        ),
        Err(error) => (false, error.to_string()),
    };
    Check::new("pins", passed, message, "follow the message above")
}

fn incomplete(missing: &MissingHooks) -> Check {
    let message = format!("in force, layout version {VERSION}, but {missing}");
    let fix = "start the daemon (systemctl start egress-enforcer); a running one attaches them again within seconds, and logs why they were detached";
    Check::new("pins", false, message, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(mounts: &str, effective: u64) -> Facts {
        Facts {
            mounts: mounts.to_owned(),
            status: format!("CapEff:\t{effective:016x}\n"),
            ..Facts::default()
        }
    }

    #[test]
    fn the_file_system_must_be_writable_or_mountable() {
        let base = Path::new("/sys/fs/bpf/egress-enforcer");
        let sys = "sysfs /sys sysfs rw 0 0\n";
        let mounted = |mode: &str| format!("{sys}bpf /sys/fs/bpf bpf {mode},nosuid 0 0\n");
        assert!(file_system(&facts(&mounted("rw"), 0), base).is_ok());
        let read_only = file_system(&facts(&mounted("ro"), 0), base);
        assert!(
            !read_only.is_ok() && read_only.fix.contains("remount"),
            "{read_only:?}"
        );
        let container = file_system(&facts(sys, 0), base);
        assert!(
            !container.is_ok() && container.fix.contains("-v /sys/fs/bpf"),
            "{container:?}"
        );
        assert!(file_system(&facts(sys, 1 << SYS_ADMIN), base).is_ok());
        assert!(!file_system(&facts(sys, 1 << SYS_ADMIN), Path::new("/var/pins")).is_ok());
    }

    #[test]
    fn foreign_pins_and_other_files_fail() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().join("pins");
        let check = || pinned(&Pins::new(&base));
        assert_eq!(check().message, "none in force");
        std::fs::create_dir_all(base.join("other")).unwrap();
        assert!(!check().is_ok());
        std::fs::remove_dir(base.join("other")).unwrap();
        let mode = |mode| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&base, mode).unwrap();
        };
        mode(0o755);
        assert!(
            check().message.contains("users other than root"),
            "{:?}",
            check()
        );
        mode(0o700);
        assert!(check().is_ok());
    }
}
