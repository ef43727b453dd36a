//! The service, where systemd runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::kernel::Check;

/// There where systemd is the service manager (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";
const UNIT: &str = "egress-enforcer.service";

/// What systemd says of the service; `None` where there is no systemd to ask.
pub(super) fn unit() -> Option<Check> {
    if !Path::new(BOOTED).is_dir() {
        return None;
    }
    let asked = Command::new("systemctl")
        .args([
            "show",
            "--property=LoadState,ActiveState,SubState,UnitFileState,StatusText,MemoryMax",
            UNIT,
        ])
        .stdin(Stdio::null())
        .output();
    match asked {
        Ok(said) if said.status.success() => Some(judge(&String::from_utf8_lossy(&said.stdout))),
        Ok(_) | Err(_) => {
            let found = "systemd does not answer";
            Some(Check::new("service", true, found, ""))
        }
    }
}

/// A service that is not started yet is no hindrance; one that fails is.
fn judge(said: &str) -> Check {
    let properties: BTreeMap<&str, &str> = said
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let of = |key| properties.get(key).copied().unwrap_or_default();
    let what = "service";
    let enable = "systemctl enable --now egress-enforcer";
    if of("LoadState") == "not-found" {
        return Check::new(
            what,
            true,
            "no unit is installed: nothing starts the daemon at boot",
            "",
        );
    }
    if of("LoadState") == "masked" {
        let fix = format!("systemctl unmask egress-enforcer && {enable}");
        return Check::new(what, false, "masked", &fix);
    }
    let mut found = format!("{} ({})", of("ActiveState"), of("SubState"));
    if !of("StatusText").is_empty() {
        found = format!("{found}: {}", of("StatusText"));
    }
    if of("UnitFileState") == "disabled" {
        found.push_str(&format!("; not started at boot ({enable})"));
    }
    let limit = of("MemoryMax");
    if limit.bytes().any(|byte| byte.is_ascii_digit()) {
        found.push_str(&format!("; MemoryMax is {limit} bytes"));
        let fix = "take MemoryMax= out of the service (systemctl edit egress-enforcer): the kernel charges what it holds of each followed \
            connection, of any user, to this service, and kills the daemon at the limit";
        return Check::new(what, false, found, fix);
    }
    let fit = of("ActiveState") != "failed" && of("SubState") != "auto-restart";
    let fix = "journalctl -u egress-enforcer says why; systemctl restart egress-enforcer once that is fixed";
    Check::new(what, fit, found, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_fails_is_unfit_and_one_not_started_is_not() {
        let judge = |load: &str, active: &str, sub: &str| {
            super::judge(&format!(
                "LoadState={load}\nActiveState={active}\nSubState={sub}\nUnitFileState=disabled\nStatusText=\n"
            ))
        };
        assert!(judge("loaded", "active", "running").is_ok());
        assert!(judge("not-found", "inactive", "dead").is_ok());
        let waiting = judge("loaded", "inactive", "dead");
        assert!(
            waiting.is_ok() && waiting.message.contains("not started at boot"),
            "{waiting:?}"
        );
        assert!(!judge("loaded", "failed", "failed").is_ok());
        assert!(
            judge("loaded", "activating", "auto-restart")
                .fix
                .contains("journalctl")
        );
        assert!(judge("masked", "inactive", "dead").fix.contains("unmask"));
    }

    #[test]
    fn a_memory_limit_that_connections_of_any_user_reach_is_unfit() {
        let judge = |limit: &str| {
            super::judge(&format!(
                "LoadState=loaded\nActiveState=active\nSubState=running\nMemoryMax={limit}\n"
            ))
        };
        assert!(judge("infinity").is_ok());
        let limited = judge("67108864");
        assert!(
            !limited.is_ok() && limited.fix.contains("MemoryMax="),
            "{limited:?}"
        );
    }

    #[test]
    fn the_status_of_the_service_is_told() {
        let running = judge(
            "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nStatusText=enforcing, generation 7\n",
        );
        assert_eq!(running.message, "active (running): enforcing, generation 7");
    }
}
