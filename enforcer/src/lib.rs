//! The user-space half of egress-enforcer: configuration, names, policy and the kernel interface.
//!
//! Dependencies point one way:
//! `enforcer-common ← name ← file ← state ← config ← azure ← resolver ← policy ← kernel ← control ← daemon ← cli`.

pub mod azure;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
#[cfg(test)]
mod documents;
mod file;
pub mod kernel;
pub mod name;
pub mod policy;
pub mod resolver;
pub mod state;
