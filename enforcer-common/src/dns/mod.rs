//! The reader of DNS messages (RFC 1035): the question, and the addresses of its answer.
//!
//! A [`MessageReader`] holds one message and the state of its reader, so that the kernel programs can read it with functions that the verifier
//! checks one by one: it assumes any state for memory in a map. Functions that read a name take the way to do so as an argument: [`MessageReader::walk`] on the host, exported
//! functions in the kernel.

mod answer;
mod message;
mod name;
mod pending;
mod question;
mod segment;
#[cfg(test)]
mod tests;
mod wildcard;

pub use answer::Reply;
pub use message::{MAX_ALIASES, MAX_RECORDS, MESSAGE_BYTES, MessageReader};
pub use name::{STEPS, WALKS};
pub use pending::PendingQueries;
pub use question::{Kind, Question, Side};
pub use segment::{PORT, Segment};
pub use wildcard::wildcard;
