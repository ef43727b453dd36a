//! A process that sets socket options with which packets pass the filters of network devices, and others.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use crate::fixtures::process_env::ProcessEnv;

const TOOL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/lab/send_methods/socket_options.py"
);
/// Options with which packets pass the filters, or change after them.
pub const BYPASS_OPTIONS: [&str; 4] = [
    "PACKET_QDISC_BYPASS",
    "PACKET_VNET_HDR",
    "PACKET_VNET_HDR_SZ",
    "XDP_TX_RING",
];
/// The one of them that kernels before Linux 6.6 do not know.
const SINCE_6_6: &str = "PACKET_VNET_HDR_SZ";
/// The call of a 32-bit program for one of them, where the kernel takes such calls.
pub const OF_32_BIT: &str = "PACKET_QDISC_BYPASS-32";

/// Returns the options that a process in `env` may not set.
///
/// # Errors
/// When the process fails, or a call has another result.
pub fn refused(env: &ProcessEnv) -> Result<BTreeSet<String>> {
    let output = env.command("python3").args(["-S", "-B", TOOL]).output()?;
    ensure!(output.status.success(), "{output:?}");
    let results: BTreeMap<String, i32> = serde_json::from_slice(&output.stdout)?;
    let mut refused = BTreeSet::new();
    for (option, errno) in results {
        let is_unknown = errno == libc::ENOPROTOOPT && option == SINCE_6_6;
        ensure!(
            is_unknown || [0, libc::EPERM].contains(&errno),
            "{option}: {errno}"
        );
        if errno == libc::EPERM {
            refused.insert(option);
        }
    }
    Ok(refused)
}
