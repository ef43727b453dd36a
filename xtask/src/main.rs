//! Set-up, build, demonstration, tests and benchmarks.

fn main() {}
