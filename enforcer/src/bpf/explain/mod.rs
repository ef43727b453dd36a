//! The answers of `explain`: a test run of the loaded program, and the same rule over the live maps.

mod client_hello;
mod flow;
mod step;
mod test_run;
mod trace;

pub(crate) use client_hello::client_hello;
pub use step::Step;
pub use test_run::{TestRun, TestRunVerdict};
pub use trace::{TRACE_OBJECT, TraceProgram};
