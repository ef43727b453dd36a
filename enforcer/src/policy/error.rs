//! Why inputs compile to no policy.

use ipnet::IpNet;

/// Why inputs compile to no policy. The policy in force stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The protected set is too scattered.
    #[error(
        "the {family} prefixes need {needed} table entries and {capacity} fit: \
         protect fewer or larger prefixes (protect.tags, protect.cidrs)"
    )]
    TableFull {
        /// "IPv4" or "IPv6".
        family: &'static str,
        /// Blocks or rows needed.
        needed: usize,
        /// Blocks or rows there are.
        capacity: usize,
    },
    /// Another map would overflow.
    #[error("there are {needed} {what} and {capacity} fit: {fix}")]
    MapFull {
        /// What the entries are.
        what: &'static str,
        /// Entries needed.
        needed: usize,
        /// Entries there are.
        capacity: usize,
        /// The fix.
        fix: &'static str,
    },
    /// An IPv6 prefix of an exception covers all IPv4 addresses.
    #[error("the exception's prefix {0} covers the IPv4-mapped range: use a longer prefix")]
    TooBroad(IpNet),
}

/// Refuses more entries than a map has room for.
pub(super) fn fits(
    needed: usize,
    capacity: usize,
    what: &'static str,
    fix: &'static str,
) -> Result<(), CompileError> {
    if needed > capacity {
        return Err(CompileError::MapFull {
            what,
            needed,
            capacity,
            fix,
        });
    }
    Ok(())
}
