//! On what it was measured.

use std::{fs, thread};

use anyhow::{Context, Result};

/// What decides how fast a BPF program is.
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) processors: usize,
    /// `bpf_jit_enable`.
    pub(crate) jit: String,
    /// What the kernel does against Spectre v2: it makes indirect calls dearer.
    pub(crate) spectre: String,
    /// Processes that wanted to run while the measurements began.
    pub(crate) load: String,
}

impl Machine {
    /// Looks.
    ///
    /// # Errors
    /// When `/proc` does not tell.
    pub(crate) fn look() -> Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
        let model = processors.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == "model name").then(|| value.trim().to_owned())
        });
        let load = line("/proc/loadavg")?;
        Ok(Self {
            kernel: line("/proc/sys/kernel/osrelease")?,
            processor: model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            processors: thread::available_parallelism()?.get(),
            jit: line("/proc/sys/net/core/bpf_jit_enable")?,
            spectre: line("/sys/devices/system/cpu/vulnerabilities/spectre_v2")
                .unwrap_or_else(|_hidden| "not told".to_owned()),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

fn line(path: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    Ok(text.trim().to_owned())
}
