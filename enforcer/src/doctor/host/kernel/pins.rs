//! Where the pins are to be, and whose those are that are there.

use std::path::Path;

use enforcer_common::Hook;
use enforcer_common::layout::VERSION;

use super::facts::Facts;
use super::rights::SYS_ADMIN;
use crate::bpf::BPFFS;
use crate::bpf::Pins;
use crate::doctor::check::Check;
use crate::sys::KernelError;

pub(super) fn file_system(facts: &Facts, base: &Path) -> Check {
    let what = "BPF file system for the pins";
    let fix = "mount -t bpf -o mode=700 bpf /sys/fs/bpf, or set paths.pins to a directory on a BPF file system; \
        in a container, give it the host's: -v /sys/fs/bpf:/sys/fs/bpf";
    let over = facts
        .mounts()
        .filter(|mount| base.starts_with(mount.point))
        .last();
    if let Some(mount) = over.filter(|mount| mount.kind == "bpf") {
        let found = mount.point.to_owned();
        if mount.has("ro") {
            let fix = format!("mount it for writing: mount -o remount,rw {found}");
            return Check::new(what, false, format!("{found}, read-only"), &fix);
        }
        return Check::new(what, true, found, "");
    }
    let may_mount = facts.capabilities("CapEff") >> SYS_ADMIN & 1 == 1;
    if base.starts_with(BPFFS) && may_mount {
        return Check::new(what, true, "not mounted; `run` mounts it", "");
    }
    Check::new(what, false, "not mounted", fix)
}

/// Pins of another version are no hindrance: `run` takes over from them.
pub(super) fn owner(pins: &Pins) -> Check {
    let missing = pins.missing();
    let (fit, found) = match pins.judge() {
        Ok(true) if !missing.is_empty() => return incomplete(&missing),
        Ok(true) => (true, format!("in force, layout version {VERSION}")),
        Ok(false) => (true, "none in force".to_owned()),
        Err(KernelError::OtherVersion { version, .. }) => (
            true,
            format!("in force, layout version {version}; `run` takes over with version {VERSION}"),
        ),
        Err(error) => (false, error.to_string()),
    };
    Check::new("pins", fit, found, "do what is said there")
}

fn incomplete(missing: &[Hook]) -> Check {
    let missing: Vec<&str> = missing.iter().map(|hook| hook.word()).collect();
    let found = format!(
        "in force, layout version {VERSION}, but not attached: {}",
        missing.join(", ")
    );
    let fix = "a running daemon attaches them again within seconds, and says what it found; start one (systemctl start egress-enforcer)";
    Check::new("pins", false, found, fix)
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
    fn the_file_system_has_to_be_there_and_writable_or_mountable() {
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
    fn pins_of_another_owner_and_what_is_no_pin_are_unfit() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().join("pins");
        let found = || owner(&Pins::new(&base));
        assert_eq!(found().message, "none in force");
        std::fs::create_dir_all(base.join("stray")).unwrap();
        assert!(!found().is_ok());
        std::fs::remove_dir(base.join("stray")).unwrap();
        let mode = |mode| {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            std::fs::set_permissions(&base, mode).unwrap();
        };
        mode(0o755);
        assert!(
            found().message.contains("not root's alone"),
            "{:?}",
            found()
        );
        mode(0o700);
        assert!(found().is_ok());
    }
}
