//! Names and prefixes that change while the daemon runs: every way in which they reach it, and every way in which that fails.

mod churn;
mod closed;
mod discovered;
mod discovery_api;
mod errors;
mod files;
mod manager;
mod mirrored;
mod realm;
mod shrunk;
mod stage;
mod stand_in;
mod told;
mod weekly;
