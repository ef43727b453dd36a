//! The daemon: a shell around [`core`](crate::core). One loop feeds events to the core and runs its effects in order, and acknowledges each
//! outcome before it takes the next event. Only lookups and fetches are asynchronous.

mod clocks;
mod denials;
mod devices;
mod event_log;
mod fetcher;
mod file_watch;
mod followed_log;
mod host;
mod identity;
mod journal;
mod log_keeper;
mod lookup;
mod metrics_page;
mod open_watches;
mod own_cgroup;
mod published;
mod reload;
mod run;
mod service;
mod shell;
mod startup;
mod successor;
mod surroundings;
mod trigger;
mod watch_kind;
mod watches;

pub use event_log::EventLog;
pub use metrics_page::ServeMetrics;
pub use published::Published;
pub use run::run;
