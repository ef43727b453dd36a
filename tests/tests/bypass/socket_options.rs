//! Socket options with which packets pass the filters of network devices: refused to processes of the scope while `[frames]` is on, whatever the word
//! size of the process.

use std::collections::BTreeSet;

use anyhow::Result;
use lab::clients::socket_options::{BYPASS_OPTIONS, OF_32_BIT, refused};

use crate::{fixture::Fixture, support};

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
    assert_eq!(refused(&fixture.host())?, BTreeSet::new());
    fixture.filter_devices()?;
    let found = refused(&fixture.host())?;
    let expected: BTreeSet<_> = BYPASS_OPTIONS.map(str::to_owned).into();
    let mut native = found.clone();
    native.remove(OF_32_BIT);
    assert_eq!(native, expected);
    if cfg!(target_arch = "x86_64") {
        assert_eq!(found.contains(OF_32_BIT), sees_every_call(&fixture)?);
    }
    Ok(())
}
