//! Whether socket options with which packets pass the filters of network devices are refused, and to whom.

use super::Host;
use crate::bpf::{OptionsGuard, Pins};
use crate::config::{Config, FramesMode};
use crate::doctor::check::Check;

const ID: &str = "socket options";

/// Checks the pinned links; nothing to check if devices have no filters by configuration.
pub(super) fn check(host: &Host<'_>, config: Option<&Config>) -> Option<Check> {
    let config = config.filter(|config| config.frames.mode != FramesMode::Off)?;
    let guard = OptionsGuard::of(&Pins::new(&host.paths.pins));
    Some(check_guard(guard, config.frames.mode))
}

fn check_guard(guard: OptionsGuard, mode: FramesMode) -> Check {
    let verb = match mode {
        FramesMode::Audit => "reported",
        FramesMode::On | FramesMode::Off => "refused",
    };
    let (is_ok, message, fix) = match guard {
        OptionsGuard::Missing => (
            false,
            format!("those with which packets pass the filters of network devices are not {verb}"),
            "`egress-enforcer status` says why: alarm device-unfiltered",
        ),
        OptionsGuard::EveryCaller => (
            true,
            format!("{verb} where packets would pass the filters of network devices"),
            "",
        ),
        OptionsGuard::NativeCallers(why) => (
            true,
            format!(
                "{verb} where packets would pass the filters of network devices, but calls of 32-bit programs are not seen: {why}"
            ),
            "",
        ),
    };
    Check::new(ID, is_ok, message, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_named() {
        let native = OptionsGuard::NativeCallers("no bpf".to_owned());
        let check = check_guard(native, FramesMode::On);
        assert!(check.is_ok() && check.message.ends_with("are not seen: no bpf"));
        let every = check_guard(OptionsGuard::EveryCaller, FramesMode::Audit);
        assert!(every.is_ok() && every.message.starts_with("reported"));
        assert!(check_guard(OptionsGuard::Missing, FramesMode::On).is_failed());
    }
}
