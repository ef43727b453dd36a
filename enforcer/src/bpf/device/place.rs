//! The names of the programs, and where they are attached.

use aya::programs::TcAttachType;
use enforcer_common::layout::{DEVICE_EGRESS, DEVICE_INGRESS};

use crate::sys::TcHook;

/// Returns the name of the program at `hook`, which is also that of its filter.
pub(super) const fn program_name(hook: TcHook) -> &'static str {
    match hook {
        TcHook::Egress => DEVICE_EGRESS,
        TcHook::Ingress => DEVICE_INGRESS,
    }
}

pub(super) const fn attach_type(hook: TcHook) -> TcAttachType {
    match hook {
        TcHook::Egress => TcAttachType::Egress,
        TcHook::Ingress => TcAttachType::Ingress,
    }
}
