//! From names, prefixes and answers to what the maps should hold, and from there to the changes. Pure.

mod compile;
mod diff;
mod judged;
mod table;

pub use compile::{
    CompileError, Desired, ExceptionInput, Inputs, MAX_ALLOWED, Protected, compile, compile_tables,
};
pub use diff::{Changes, Held, MapChanges, diff};
pub use judged::{address, judged};
pub use table::{Layer, Tables};
