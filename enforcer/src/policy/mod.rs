//! Compiles names, prefixes and addresses to the contents of the maps, and computes the changes between two policies. Pure.

mod compile;
mod diff;
mod effective_address;
mod error;
mod exceptions;
mod intervals;
mod layer;
mod name_ids;
mod names;
mod ranges;
mod revocation;
mod tables;

pub use compile::{Desired, Inputs, MAX_ALLOWED, Protected, compile, compile_tables};
pub use diff::{Changes, Held, MapChanges, diff};
pub use effective_address::{address, effective_address};
pub use error::CompileError;
pub use exceptions::ExceptionInput;
pub use layer::Layer;
pub use name_ids::{NameIds, key as name_key, text as name_text};
pub use names::{EVERYBODY, NameInput, Scope};
pub use ranges::ProtectedRanges;
pub use revocation::{NameGrants, revoked_grants};
pub use tables::Tables;
