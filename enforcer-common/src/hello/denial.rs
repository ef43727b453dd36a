//! What a denial means for the rest of its connection.

use super::connection::CONDEMNED;
use crate::reason::Reason;

/// Whether it is for the name alone, which may come to lead where the connection goes.
#[inline(always)]
pub(super) const fn is_for_its_name(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ServerNameUnknown | Reason::ServerNameElsewhere
    )
}

/// Whether a denial is of the connection, and not of the one segment.
#[inline(always)]
pub(super) const fn lasts(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::NotTls
            | Reason::HelloUnreadable
            | Reason::NoServerName
            | Reason::ServerNameUnknown
            | Reason::ServerNameElsewhere
            | Reason::ServerNameAddress
            | Reason::Urgent
            | Reason::EarlyData
    )
}

/// The reason that a phase from [`CONDEMNED`] on holds.
#[inline(always)]
pub(super) fn condemned(phase: u32) -> Reason {
    const REASONS: [Reason; 14] = [
        Reason::NotTls,
        Reason::HelloUnreadable,
        Reason::NoServerName,
        Reason::ServerNameUnknown,
        Reason::ServerNameElsewhere,
        Reason::HelloOutOfOrder,
        Reason::FastOpen,
        Reason::Urgent,
        Reason::Unwatched,
        Reason::NotASocket,
        Reason::ServerNameAddress,
        Reason::HelloChanged,
        Reason::EarlyData,
        Reason::HelloHeld,
    ];
    let index = phase.wrapping_sub(CONDEMNED + Reason::NotTls as u32);
    let reason = REASONS.get(index as usize).copied();
    reason.unwrap_or(Reason::Unwatched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condemned_connection_tells_what_it_was_condemned_for() {
        let reasons = Reason::ALL.into_iter();
        for reason in reasons.filter(|reason| *reason >= Reason::NotTls) {
            assert_eq!(condemned(CONDEMNED + reason as u32), reason);
        }
        assert_eq!(condemned(CONDEMNED), Reason::Unwatched);
        assert_eq!(condemned(u32::MAX), Reason::Unwatched);
    }
}
