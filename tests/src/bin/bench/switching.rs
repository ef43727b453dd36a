//! How long another protected set takes to come into force.

use std::{
    net::IpAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use enforcer_common::layout::PROTECTED_V4;
use lab::{
    bpf::{Map, Program},
    fixtures::enforcer::Enforcer,
};

use crate::{packets::passes, stats::median};

const ROUNDS: usize = 9;
const WITHIN: Duration = Duration::from_secs(5);

/// Milliseconds of the bare switch: the update of the map of maps, after which no program uses the map before.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn bare(pins: &Path) -> Result<f64> {
    let outer = Map::pinned(&pins.join(PROTECTED_V4))?;
    let inner = outer.inner()?;
    let number = inner.number()?.to_ne_bytes();
    let mut times = Vec::new();
    for _round in 0..ROUNDS {
        let started = Instant::now();
        outer.set(&[0; 4], &number)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}

/// Milliseconds from `SIGHUP` until a packet to `address` is judged by the new set: the configuration read and compiled, both tables
/// written, read back and switched. `closed` and `open` are configurations that close `address` and do not.
///
/// # Errors
/// When the verdict does not change in time.
pub(crate) fn reload(
    enforcer: &Enforcer,
    program: &Program,
    address: IpAddr,
    [open, closed]: [&str; 2],
) -> Result<f64> {
    let mut times = Vec::new();
    for round in 0..2 * ROUNDS {
        let closes = round % 2 == 0;
        enforcer.configure(if closes { closed } else { open })?;
        let started = Instant::now();
        enforcer.signal(libc::SIGHUP)?;
        while passes(program, address)? == closes {
            ensure!(
                started.elapsed() < WITHIN,
                "a reload does not come into force"
            );
            std::thread::sleep(Duration::from_micros(200));
        }
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}
