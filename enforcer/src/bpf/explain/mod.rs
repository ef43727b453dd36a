//! The answers of `explain`: a test run of the loaded program, and the same rule over the live maps.

mod client_hello;
mod flow;
mod test_run;

pub use test_run::{TestRun, TestRunVerdict};
