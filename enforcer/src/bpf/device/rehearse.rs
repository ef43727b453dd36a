//! Tries whether the kernel runs the programs, at a device that exists for nothing else.

use std::io;
use std::thread;

use aya::programs::SchedClassifier;
use aya::programs::tc::{NlOptions, TcAttach, qdisc_add_clsact};
use aya::{Ebpf, EbpfLoader};

use super::place::{attach_type, program_name};
use crate::bpf::object::{DEVICE_OBJECT, prepare, program_error};
use crate::sys::{KernelError, TcHook};

/// The interface index of the loopback device in each network namespace.
const LOOPBACK: u32 = 1;

/// Loads the programs and attaches them to the loopback device of a new network namespace, which then ends with everything in it.
///
/// # Errors
/// If the kernel refuses a program, clsact or a filter.
pub(crate) fn rehearse_filters() -> Result<(), KernelError> {
    prepare(DEVICE_OBJECT)?;
    let attempt = || {
        enter_new_namespace()?;
        attach_to_loopback()
    };
    thread::scope(|scope| {
        let tried = scope.spawn(attempt).join();
        // A panic of the attempt is one of the check.
        tried.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Moves this thread to a new network namespace.
fn enter_new_namespace() -> Result<(), KernelError> {
    // SAFETY: unshare(2) takes an integer, and changes this thread only.
    match unsafe { libc::unshare(libc::CLONE_NEWNET) } {
        0 => Ok(()),
        _ => Err(KernelError::failed("create a network namespace")(
            io::Error::last_os_error(),
        )),
    }
}

fn attach_to_loopback() -> Result<(), KernelError> {
    let programs = EbpfLoader::new().load(DEVICE_OBJECT);
    let mut programs = programs.map_err(KernelError::failed("create the maps"))?;
    qdisc_add_clsact(LOOPBACK).map_err(KernelError::failed(
        "add the queueing discipline clsact to a network device (kernel module sch_ingress)",
    ))?;
    for hook in TcHook::ALL {
        let name = program_name(hook);
        let program = classifier(&mut programs, name)?;
        program.load().map_err(|error| program_error(name, error))?;
        let parent = attach_type(hook).into();
        let options = NlOptions::default();
        let attached = program.attach(LOOPBACK, TcAttach::Netlink { parent, options });
        attached.map(drop).map_err(KernelError::failed(
            "add a filter to a network device (kernel module cls_bpf)",
        ))?;
    }
    Ok(())
}

fn classifier<'a>(
    programs: &'a mut Ebpf,
    name: &str,
) -> Result<&'a mut SchedClassifier, KernelError> {
    let program = programs.program_mut(name);
    program
        .ok_or(KernelError::NoProgram)?
        .try_into()
        .map_err(KernelError::failed("find a program of network devices"))
}
