//! The phase of a connection, as a number in its flow state.

use crate::reason::Reason;

/// Values of the phase; [`REJECTED`] plus the code of a [`Reason`], and the version that rejected it from bit [`REJECTED_BY`] on, is a rejected connection.
/// [`FRAGMENTED`] may be set as well.
pub(super) const UNTRACKED: u32 = 0;
pub(super) const PARSING: u32 = 1;
pub(super) const VERIFIED: u32 = 2;
pub(super) const REJECTED: u32 = 256;
/// The ClientHello takes more than one record. Layout versions that parse one record only take such a connection for an untracked one.
pub(super) const FRAGMENTED: u32 = 1 << 16;
/// Lowest bit of the version that rejected a connection: during a hand-over two versions judge each packet, and what one rejected must not continue
/// because the other one grants the name. Versions that do not know these bits take such a connection for an untracked one.
pub(super) const REJECTED_BY: u32 = 17;
/// Instead of a version there: the connection stays rejected.
pub(super) const NO_VERSION: u32 = u32::MAX >> REJECTED_BY;

/// The reason in a phase from [`REJECTED`] on.
#[inline(always)]
pub(super) fn rejection(phase: u32) -> Reason {
    let code = (phase & (FRAGMENTED - 1)).wrapping_sub(REJECTED);
    if code > u8::MAX as u32 {
        return Reason::NoSynSeen;
    }
    Reason::denial_from_code(code as u8, Reason::NoSynSeen)
}

/// The phase of a connection that `version` rejected for `reason`.
#[inline(always)]
pub(super) const fn rejected(reason: Reason, version: u32) -> u32 {
    REJECTED.wrapping_add(reason as u32) | version << REJECTED_BY
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::VERSION;

    #[test]
    fn a_rejected_connection_keeps_its_reason() {
        for reason in Reason::ALL.into_iter().filter(|reason| reason.denies()) {
            for version in [0, VERSION, VERSION + 1, NO_VERSION] {
                let phase = rejected(reason, version);
                assert_eq!(rejection(phase), reason);
                assert_eq!(phase >> REJECTED_BY, version);
            }
        }
        assert_eq!(rejection(REJECTED), Reason::NoSynSeen);
        assert_eq!(rejection(u32::MAX), Reason::NoSynSeen);
    }

    /// They take the code of a reason as the distance to [`REJECTED`], and larger ones for [`Reason::NoSynSeen`].
    #[test]
    fn earlier_versions_know_no_reason_of_a_rejection_by_this_one() {
        let phase = rejected(Reason::ServerNameUnknown, VERSION) | FRAGMENTED;
        assert!((phase & !FRAGMENTED) - REJECTED > u8::MAX.into());
    }
}
