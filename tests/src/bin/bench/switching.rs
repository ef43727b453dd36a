//! Duration of a switch of the protected set.

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

/// Measures the bare switch in milliseconds: the update of the map of maps, after which no program uses the previous map.
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

/// Measures milliseconds from `SIGHUP` until the new set applies to a packet to `address`: reading and compiling the configuration, writing,
/// reading back and switching both tables. The configurations are one that does not protect `address` and one that does.
///
/// # Errors
/// When the verdict does not change in time.
pub(crate) fn reload(
    enforcer: &Enforcer,
    program: &Program,
    address: IpAddr,
    [unprotecting, protecting]: [&str; 2],
) -> Result<f64> {
    let mut times = Vec::new();
    for round in 0..2 * ROUNDS {
        let protects = round % 2 == 0;
        enforcer.configure(if protects { protecting } else { unprotecting })?;
        let started = Instant::now();
        enforcer.signal(libc::SIGHUP)?;
        while passes(program, address)? == protects {
            ensure!(started.elapsed() < WITHIN, "a reload does not take effect");
            std::thread::sleep(Duration::from_micros(200));
        }
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}
