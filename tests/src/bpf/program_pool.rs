//! Reuses the loaded programs between tests, because verification of hundreds of thousands of instructions dominates the duration of a test.
//! All maps are emptied before reuse.

use std::{
    fs,
    ops::{Deref, DerefMut},
    path::PathBuf,
    sync::{Mutex, Once, PoisonError},
    thread,
};

use anyhow::{Context, Result};
use enforcer::bpf::{Kernel, PinLock, Pins};
use enforcer_common::layout::{
    COUNTERS, DNS_CLIENTS, EVENTS, EXPLAIN, FLOWS, MAPS, MAX_COUNTERS, PROTECTED_V4, PROTECTED_V6,
    SETTINGS, Settings, VERSION, pin_name,
};

use crate::{
    ScratchDir,
    bpf::{self, Map, objects},
    topology::bpffs::Bpffs,
};

/// The programs while no test uses them; unloaded at the end of the process.
static IDLE: Mutex<Option<Verified>> = Mutex::new(None);

/// The programs, their maps and their pins; returned to the pool when dropped.
pub struct Programs(Option<Verified>);

/// Fields are dropped in order.
struct Verified {
    kernel: Kernel,
    pins: Pins,
    _lock: PinLock,
    _bpffs: Bpffs,
    _scratch: ScratchDir,
}

impl Programs {
    /// Takes the programs with nothing attached and all maps empty.
    pub(super) fn take() -> Result<Self> {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).take();
        let verified = match idle {
            Some(verified) => {
                verified.empty().context("empty the maps")?;
                verified
            }
            None => Verified::new()?,
        };
        Ok(Self(Some(verified)))
    }

    /// Returns the pins of the maps.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.verified().pins
    }

    /// Returns the path of the pin of a map or program.
    pub(super) fn pin(&self, name: &str) -> PathBuf {
        self.verified().pin(name)
    }

    /// Unloads them, for tests that leave the maps unusable.
    pub(super) fn unload(mut self) {
        drop(self.0.take());
    }

    #[expect(clippy::expect_used, reason = "the value is taken only at the end")]
    fn verified(&self) -> &Verified {
        self.0.as_ref().expect("not dropped")
    }
}

impl Deref for Programs {
    type Target = Kernel;

    fn deref(&self) -> &Kernel {
        &self.verified().kernel
    }
}

impl DerefMut for Programs {
    #[expect(clippy::expect_used, reason = "the value is taken only at the end")]
    fn deref_mut(&mut self) -> &mut Kernel {
        &mut self.0.as_mut().expect("not dropped").kernel
    }
}

impl Drop for Programs {
    /// Returns the programs to the pool, except after a failed test.
    fn drop(&mut self) {
        static AT_EXIT: Once = Once::new();
        if thread::panicking() {
            return;
        }
        // SAFETY: the function takes and returns nothing, and does not unwind.
        AT_EXIT.call_once(|| _ = unsafe { libc::atexit(drop_idle) });
        if let Some(verified) = self.0.take() {
            *IDLE.lock().unwrap_or_else(PoisonError::into_inner) = Some(verified);
        }
    }
}

/// Drops the pool at exit: statics are not dropped, and the mount and the directory would stay on the machine.
extern "C" fn drop_idle() {
    drop(IDLE.lock().unwrap_or_else(PoisonError::into_inner).take());
}

impl Verified {
    fn new() -> Result<Self> {
        let scratch = ScratchDir::new()?;
        let bpffs = Bpffs::mount(scratch.dir("bpf")?)?;
        let pins = Pins::new(&bpffs.path().join("pins"));
        let lock = pins.prepare()?;
        Ok(Self {
            kernel: load(&pins).context("load the programs")?,
            pins,
            _lock: lock,
            _bpffs: bpffs,
            _scratch: scratch,
        })
    }

    fn pin(&self, name: &str) -> PathBuf {
        self.pins
            .base()
            .join(format!("v{VERSION}"))
            .join(pin_name(name))
    }

    /// Restores the state after loading.
    fn empty(&self) -> Result<()> {
        for name in MAPS {
            let map = Map::pinned(&self.pin(name))?;
            match name {
                SETTINGS => map.set(&[0; 4], &[0; size_of::<Settings>()])?,
                PROTECTED_V4 | PROTECTED_V6 => map.remove(&[0; 4])?,
                COUNTERS => zero(&map)?,
                EVENTS => map.skip_unread()?,
                // Socket storage ends with its socket.
                DNS_CLIENTS | FLOWS => {}
                _ => map.clear()?,
            }
        }
        let explain = self.pin(&format!("program_{EXPLAIN}"));
        if explain.exists() {
            fs::remove_file(explain)?;
        }
        Ok(())
    }
}

fn zero(counters: &Map) -> Result<()> {
    let all_processors = vec![0; size_of::<u64>() * bpf::possible_processors()?];
    for index in 0..MAX_COUNTERS {
        counters.set(&index.to_ne_bytes(), &all_processors)?;
    }
    Ok(())
}

fn load(pins: &Pins) -> Result<Kernel> {
    Ok(Kernel::load_object(pins, &objects::cgroups()?)?)
}
