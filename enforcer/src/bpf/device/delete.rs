//! Deletes filters.

use aya::programs::ProgramError;
use aya::programs::links::Link as _;
use aya::programs::tc::{SchedClassifierLink, TcHandle};

use super::place::attach_type;
use crate::sys::{Filter, KernelError, TcHook};

/// Deletes one filter of a device; done if it or the device is gone.
pub(super) fn delete(
    (index, name): (u32, &str),
    hook: TcHook,
    filter: &Filter,
) -> Result<(), KernelError> {
    let what = format!(
        "delete the {} filter of the network device {name} (`tc filter del dev {name} {} pref {} handle {:#x} bpf`)",
        hook.word(),
        hook.word(),
        filter.priority,
        filter.handle
    );
    let handle = TcHandle::from(filter.handle);
    let link = SchedClassifierLink::attached(
        index,
        attach_type(hook).into(),
        filter.priority,
        handle,
        None,
    );
    let link = link.map_err(KernelError::failed(what.clone()))?;
    match link.detach() {
        Err(error) if is_gone(&error) => Ok(()),
        deleted => deleted.map_err(KernelError::failed(what)),
    }
}

/// Whether an error says that the filter, its list or its device does not exist.
fn is_gone(error: &ProgramError) -> bool {
    let ProgramError::NetlinkError(error) = error else {
        return false;
    };
    matches!(
        error.raw_os_error(),
        Some(libc::ENOENT | libc::ENODEV | libc::EINVAL)
    )
}
