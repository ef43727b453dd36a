//! The kernel programs, in three objects: [`hooks`] and [`explain`], which are attached to cgroups and run on demand; with the feature `device` those of
//! network devices ([`device`]); with the feature `trace` only `explain`, which then logs each step of its judgement.

#![no_std]
#![no_main]
#![cfg_attr(not(feature = "trace"), feature(asm_experimental_arch))]
#![cfg_attr(
    any(feature = "trace", feature = "device"),
    expect(
        dead_code,
        reason = "what only the programs of cgroups use is not in this object"
    )
)]

mod copy;
#[cfg(feature = "device")]
mod device;
#[cfg(not(any(feature = "trace", feature = "device")))]
mod dns;
mod egress;
#[cfg(not(feature = "device"))]
mod explain;
#[cfg(not(any(feature = "trace", feature = "device")))]
mod hooks;
mod maps;
mod policy_maps;
#[cfg(not(feature = "trace"))]
mod report;
mod skb;
#[cfg(not(feature = "trace"))]
mod sock_addr;
mod tls;
mod trace;
mod verifier;

use enforcer_common::{Decision, Verdict};

/// Return code that allows a packet or call.
const PASS: i32 = 1;
/// Return code that drops a packet, or fails a call with `EPERM`.
const DROP: i32 = 0;

#[inline(always)]
fn enforce(decision: Decision) -> i32 {
    match decision.verdict() {
        Verdict::Allow => PASS,
        Verdict::Deny if policy_maps::audits() => PASS,
        Verdict::Deny => DROP,
    }
}

/// Loops, so that the verifier refuses any program in which a panic can be reached.
#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
