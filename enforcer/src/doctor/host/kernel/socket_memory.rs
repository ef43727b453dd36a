//! Whether each socket may have the memory that the programs keep its connection's state in.

use super::facts::Facts;
use crate::doctor::check::Check;
use crate::sys::{optmem_fix, optmem_found, optmem_shortage_of};

pub(super) fn check(facts: &Facts) -> Check {
    let limit = facts.optmem.as_deref();
    let shortage = limit.and_then(optmem_shortage_of);
    let found = limit.map_or_else(
        || "net.core.optmem_max cannot be read here".to_owned(),
        optmem_found,
    );
    Check::new("socket memory", shortage.is_none(), found, &optmem_fix())
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
    fn a_limit_too_small_is_named_with_its_fix() {
        let finding = with(Some("4096"));
        assert!(!finding.is_ok());
        assert!(
            finding.message.contains("optmem_max is 4096"),
            "{}",
            finding.message
        );
        assert!(finding.fix.contains("sysctl -w net.core.optmem_max=20480"));
    }

    #[test]
    fn the_defaults_of_all_kernels_will_do_and_so_does_what_is_not_shown() {
        for limit in [Some("20480"), Some("131072"), None] {
            assert!(with(limit).is_ok(), "{limit:?}");
        }
    }
}
