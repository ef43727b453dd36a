//! Whether the systemd service runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::doctor::check::Check;

/// Exists if systemd is the service manager (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";
const ID: &str = "service";
const UNIT: &str = "egress-enforcer.service";

/// Checks the service; `None` if systemd does not run.
pub(super) fn check() -> Option<Check> {
    if !Path::new(BOOTED).is_dir() {
        return None;
    }
    let output = Command::new("systemctl")
        .args([
            "show",
            "--property=LoadState,ActiveState,SubState,UnitFileState,StatusText,MemoryMax",
            UNIT,
        ])
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Some(check_properties(&String::from_utf8_lossy(&output.stdout)))
        }
        Ok(_) | Err(_) => Some(Check::new(ID, true, "systemd does not answer", "")),
    }
}

/// Checks the output of `systemctl show`. A service that has not been started passes; a failed one does not.
fn check_properties(output: &str) -> Check {
    let properties: BTreeMap<&str, &str> = output
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let of = |key| properties.get(key).copied().unwrap_or_default();
    let enable = "systemctl enable --now egress-enforcer";
    if of("LoadState") == "not-found" {
        let message = "no unit is installed: nothing starts the daemon at boot";
        return Check::new(ID, true, message, "");
    }
    if of("LoadState") == "masked" {
        let fix = format!("systemctl unmask egress-enforcer && {enable}");
        return Check::new(ID, false, "masked", &fix);
    }
    let mut message = format!("{} ({})", of("ActiveState"), of("SubState"));
    if !of("StatusText").is_empty() {
        message = format!("{message}: {}", of("StatusText"));
    }
    if of("UnitFileState") == "disabled" {
        message.push_str(&format!("; not started at boot ({enable})"));
    }
    let limit = of("MemoryMax");
    if limit.bytes().any(|byte| byte.is_ascii_digit()) {
        message.push_str(&format!("; MemoryMax is {limit} bytes"));
        let fix = "remove MemoryMax= from the service (systemctl edit egress-enforcer): the kernel charges the state of each tracked \
            connection, of any user, to this service, and kills the daemon at the limit";
        return Check::new(ID, false, message, fix);
    }
    let is_healthy = of("ActiveState") != "failed" && of("SubState") != "auto-restart";
    let fix =
        "read journalctl -u egress-enforcer, fix the cause, then systemctl restart egress-enforcer";
    Check::new(ID, is_healthy, message, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_service_fails_and_one_not_started_passes() {
        let check = |load: &str, active: &str, sub: &str| {
            check_properties(&format!(
                "LoadState={load}\nActiveState={active}\nSubState={sub}\nUnitFileState=disabled\nStatusText=\n"
            ))
        };
        assert!(check("loaded", "active", "running").is_ok());
        assert!(check("not-found", "inactive", "dead").is_ok());
        let waiting = check("loaded", "inactive", "dead");
        assert!(
            waiting.is_ok() && waiting.message.contains("not started at boot"),
            "{waiting:?}"
        );
        assert!(!check("loaded", "failed", "failed").is_ok());
        assert!(
            check("loaded", "activating", "auto-restart")
                .fix
                .contains("journalctl")
        );
        assert!(check("masked", "inactive", "dead").fix.contains("unmask"));
    }

    #[test]
    fn a_memory_limit_fails() {
        let check = |limit: &str| {
            check_properties(&format!(
                "LoadState=loaded\nActiveState=active\nSubState=running\nMemoryMax={limit}\n"
            ))
        };
        assert!(check("infinity").is_ok());
        let limited = check("67108864");
        assert!(
            !limited.is_ok() && limited.fix.contains("MemoryMax="),
            "{limited:?}"
        );
    }

    #[test]
    fn the_message_contains_the_status_text() {
        let running = check_properties(
            "LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\nStatusText=enforcing, generation 7\n",
        );
        assert_eq!(running.message, "active (running): enforcing, generation 7");
    }
}
