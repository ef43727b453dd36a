//! From names, prefixes and answers to what the maps should hold, and from there to the changes. Pure.

mod compile;
mod diff;
mod effective_address;
mod names;
mod revocation;
mod table;

pub use compile::{
    CompileError, Desired, ExceptionInput, Inputs, MAX_ALLOWED, Protected, compile, compile_tables,
};
pub use diff::{Changes, Held, MapChanges, diff};
pub use effective_address::{address, effective_address};
pub use names::{EVERYBODY, NameIds, NameInput, Scope, key as name_key, text as name_text};
pub use revocation::{NameGrants, revoked_grants};
pub use table::{Layer, Tables};
