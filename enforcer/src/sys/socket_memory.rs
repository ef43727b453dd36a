//! Whether the limit of a socket's ancillary memory suffices for the state that the programs store for its connection.

use std::fs;

use enforcer_common::dns::PendingQueries;
use enforcer_common::tls::FlowState;

/// Maximum ancillary memory of one socket, in bytes (Documentation/admin-guide/sysctl/net.rst). BPF socket storage counts towards it.
pub(crate) const OPTMEM_MAX: &str = "/proc/sys/net/core/optmem_max";
/// Overhead of the kernel for both values, and room for other uses of that memory (socket filters, control messages), in bytes.
const OVERHEAD: usize = 4096;
/// Smallest sufficient limit, in bytes: a socket has at most one value of each map.
const NEEDED: usize = size_of::<FlowState>() + size_of::<PendingQueries>() + OVERHEAD;
/// Default of Linux up to 6.6; later kernels have 131,072.
const DEFAULT: usize = 20_480;
const _: () = assert!(NEEDED < DEFAULT);

/// Describes the problem if the limit of this network namespace is too small; `None` if it suffices or cannot be read.
pub fn optmem_shortage() -> Option<String> {
    optmem_shortage_of(&fs::read_to_string(OPTMEM_MAX).ok()?)
}

/// As [`optmem_shortage`], for the text of the limit.
pub(crate) fn optmem_shortage_of(limit: &str) -> Option<String> {
    let limit: usize = limit.trim().parse().ok()?;
    (limit < NEEDED).then(|| {
        format!(
            "net.core.optmem_max is {limit} bytes, but tracking a TLS handshake needs {NEEDED}: new connections to allowed names are denied \
             as `no-syn-seen`; {}",
            optmem_fix()
        )
    })
}

/// Describes the limit `found`, compared with what is needed.
pub(crate) fn optmem_found(found: &str) -> String {
    format!("net.core.optmem_max is {found} bytes, {NEEDED} are needed")
}

/// The fix for a limit that is too small.
pub(crate) fn optmem_fix() -> String {
    format!(
        "run `sysctl -w net.core.optmem_max={DEFAULT}`, and remove the smaller value from /etc/sysctl.conf and /etc/sysctl.d"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_too_small_is_reported_with_its_fix() {
        let shortage = optmem_shortage_of("4096\n").unwrap();
        for part in [
            "is 4096 bytes",
            "no-syn-seen",
            "sysctl -w net.core.optmem_max=20480",
        ] {
            assert!(shortage.contains(part), "{shortage}");
        }
    }

    #[test]
    fn the_defaults_of_all_kernels_suffice() {
        for limit in ["20480\n", "131072\n"] {
            assert_eq!(optmem_shortage_of(limit), None, "{limit}");
        }
    }
}
