//! The user-space half of egress-enforcer: configuration, names, policy and the kernel interface.
//!
//! Dependencies point one way:
//! `enforcer-common ← name, file, random, state ← config ← https ← azure ← resolver ← policy ← sources ← core ← log_files, sys ← bpf ← daemon ← control ← doctor ← page ← report ← prove ← cli`.

pub mod azure;
pub mod bpf;
pub mod cli;
pub mod config;
pub mod control;
pub mod core;
pub mod daemon;
mod doctor;
#[cfg(test)]
mod documents;
mod file;
pub mod https;
mod log_files;
pub mod name;
pub mod now;
mod page;
pub mod policy;
mod printable;
mod prove;
mod random;
mod report;
pub mod resolver;
mod serde_message;
pub mod sources;
pub mod state;
pub mod sys;
mod word_enum;

#[cfg(all(feature = "layout-next", not(debug_assertions)))]
compile_error!("layout-next makes a version for tests: no release build has it");

/// What `--version`, `status` and the metrics call this build.
pub const VERSION: &str = if cfg!(feature = "layout-next") {
    concat!(env!("CARGO_PKG_VERSION"), "+layout-next")
} else {
    env!("CARGO_PKG_VERSION")
};
