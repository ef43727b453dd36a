//! Whether the memory of a socket suffices for the state of its connection.

use super::facts::Facts;
use crate::doctor::check::Check;
use crate::sys::{optmem_fix, optmem_found, optmem_shortage_of};

/// Checks the limit of ancillary memory of a socket.
pub(super) fn check(facts: &Facts) -> Check {
    let limit = facts.optmem.as_deref();
    let shortage = limit.and_then(optmem_shortage_of);
    let message = limit.map_or_else(
        || "net.core.optmem_max cannot be read here".to_owned(),
        optmem_found,
    );
    Check::new("socket memory", shortage.is_none(), message, &optmem_fix())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(optmem: Option<&str>) -> Check {
        check(&Facts {
            optmem: optmem.map(str::to_owned),
            ..Facts::default()
        })
    }

    #[test]
    fn a_limit_that_is_too_small_fails_with_its_fix() {
        let check = with(Some("4096"));
        assert!(!check.is_ok());
        assert!(
            check.message.contains("optmem_max is 4096"),
            "{}",
            check.message
        );
        assert!(check.fix.contains("sysctl -w net.core.optmem_max=20480"));
    }

    #[test]
    fn the_defaults_of_all_kernels_and_an_unreadable_limit_pass() {
        for limit in [Some("20480"), Some("131072"), None] {
            assert!(with(limit).is_ok(), "{limit:?}");
        }
    }
}
