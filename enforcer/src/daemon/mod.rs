//! The daemon: evaluate what should be, compare it with what is, apply the difference, tell about it.

mod accepted;
mod alarms;
mod budgets;
mod changes;
mod check;
mod clock;
mod denials;
mod engine;
mod evaluate;
mod exceptions;
mod feeds;
mod files;
mod forced;
mod hooks;
mod inherited;
mod journal;
mod kept;
mod known;
mod lessons;
mod names;
mod own;
mod patterns;
mod reload;
mod report;
mod resolvers;
mod run;
mod service;
mod sources;
mod watch;
mod watched;
mod watches;

pub use forced::{force_tags, unforce_tags};
pub use kept::{forget_tags, kept_tags};
pub use run::run;
pub use sources::{Options, Source, Sources};
pub(crate) use sources::{TAGS_FORCED, TAGS_REPLACED};
