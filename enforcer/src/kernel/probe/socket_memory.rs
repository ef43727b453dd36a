//! Whether the kernel lets each socket have the memory in which its connection is followed.

use std::fs;

use enforcer_common::dns::Asked;
use enforcer_common::hello::Handshake;

use super::Check;
use super::facts::Facts;

/// The most ancillary memory of one socket, in bytes (Documentation/admin-guide/sysctl/net.rst). Socket storage of BPF counts towards it.
pub(super) const OPTMEM_MAX: &str = "/proc/sys/net/core/optmem_max";
/// What the kernel adds to both values, and what other users of that memory (socket filters, control messages) need beside them.
const OVERHEAD: usize = 4096;
/// The smallest limit that will do: a socket has one of each at most.
const NEEDED: usize = size_of::<Handshake>() + size_of::<Asked>() + OVERHEAD;
/// The default of Linux up to 6.6; later ones have 131,072.
const DEFAULT: usize = 20_480;
const _: () = assert!(NEEDED < DEFAULT);

pub(super) fn check(facts: &Facts) -> Check {
    let found = facts.optmem.as_deref();
    let shortage = found.and_then(shortage);
    let found = found.map_or_else(
        || "net.core.optmem_max is not shown here".to_owned(),
        |found| format!("net.core.optmem_max is {found} bytes, {NEEDED} are needed"),
    );
    Check::new("socket memory", shortage.is_none(), found, &fix())
}

/// What is wrong where the limit of this network namespace is too small; `None` where it will do or cannot be read.
pub fn optmem_shortage() -> Option<String> {
    shortage(&fs::read_to_string(OPTMEM_MAX).ok()?)
}

fn shortage(limit: &str) -> Option<String> {
    let limit: usize = limit.trim().parse().ok()?;
    (limit < NEEDED).then(|| {
        format!(
            "net.core.optmem_max is {limit} bytes, too small to follow a TLS handshake ({NEEDED} are needed): new connections to allowed names \
             are denied as `unwatched`; {}",
            fix()
        )
    })
}

fn fix() -> String {
    format!(
        "`sysctl -w net.core.optmem_max={DEFAULT}`, and remove the smaller value from /etc/sysctl.conf and /etc/sysctl.d"
    )
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
        let check = with(Some("4096"));
        assert!(!check.is_ok());
        assert!(
            check.message.contains("optmem_max is 4096"),
            "{}",
            check.message
        );
        assert!(check.fix.contains("sysctl -w net.core.optmem_max=20480"));
        assert!(shortage("4096\n").is_some_and(|told| told.contains("unwatched")));
    }

    #[test]
    fn the_defaults_of_all_kernels_will_do_and_so_does_what_is_not_shown() {
        for limit in [Some("20480"), Some("131072"), None] {
            assert!(with(limit).is_ok(), "{limit:?}");
        }
        assert_eq!(shortage("20480\n"), None);
    }
}
