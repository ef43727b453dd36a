//! Socket options with which packets pass the filters of network devices: refused to processes of the scope while devices have some, whoever opened
//! the socket, and whatever the word size of the process.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use crate::{fixture::Fixture, support};

const TOOL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/lab/send_methods/socket_options.py"
);
const REFUSED: [&str; 4] = [
    "PACKET_QDISC_BYPASS",
    "PACKET_VNET_HDR",
    "PACKET_VNET_HDR_SZ",
    "XDP_TX_RING",
];
/// The same call of a 32-bit program, where the kernel takes such calls.
const OF_32_BIT: &str = "PACKET_QDISC_BYPASS-32";

/// The options that a process of the host cannot set. Those that the kernel does not know are left out.
fn refused(fixture: &Fixture) -> Result<BTreeSet<String>> {
    let mut command = fixture.host().command("python3");
    let output = command.args(["-S", "-B", TOOL]).output()?;
    ensure!(output.status.success(), "{output:?}");
    let results: BTreeMap<String, i32> = serde_json::from_slice(&output.stdout)?;
    let refused = results
        .into_iter()
        .filter(|(_, errno)| *errno == libc::EPERM);
    Ok(refused.map(|(option, _)| option).collect())
}

/// Whether a program at an LSM hook sees every call. Debian's kernels can have that from Linux 6.0 on.
fn sees_every_call(fixture: &Fixture) -> Result<bool> {
    let is_attached = fixture.has_pin("link_socket_options_lsm");
    support::report(
        "BPF programs of a cgroup at LSM hooks",
        is_attached,
        &["5.10"],
    )
}

#[test]
fn options_that_pass_the_filters_are_refused_while_there_are_some() -> Result<()> {
    let fixture = Fixture::new()?;
    assert_eq!(refused(&fixture)?, BTreeSet::new());
    fixture.filter_devices()?;
    let found = refused(&fixture)?;
    let expected: BTreeSet<_> = REFUSED.map(str::to_owned).into();
    let mut native = found.clone();
    native.remove(OF_32_BIT);
    assert_eq!(native, expected);
    if cfg!(target_arch = "x86_64") {
        assert_eq!(found.contains(OF_32_BIT), sees_every_call(&fixture)?);
    }
    Ok(())
}
