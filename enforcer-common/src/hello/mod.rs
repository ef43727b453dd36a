//! The TLS ClientHello that a connection begins with, as a server reads it: which name it asks for, followed from segment to segment.
//!
//! One record with one ClientHello (RFC 8446 section 4.1.2; 5246 section 7.4.1.2) is read, from length to length. What a server might
//! read in another way is denied: lengths that do not add up, a second server name, a hello over several records.

mod connection;
mod denial;
mod name;
mod policy;
mod reader;
mod sent;
mod tcp;
mod token;

pub use connection::Handshake;
pub use name::Keys;
pub use policy::{Binding, Names, Policy};
pub use reader::{Desk, MAX_TOKENS, Read, Reading, Segment, Want};
pub use sent::{KEPT, Sent};
pub use tcp::Tcp;
