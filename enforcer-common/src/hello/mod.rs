//! The TLS ClientHello that a connection begins with, as a server reads it: which name it asks for, followed from segment to segment.
//!
//! One ClientHello (RFC 8446 section 4.1.2; 5246 section 7.4.1.2) is read, from length to length, in one record or several. What a server
//! might read in another way is denied: lengths that do not add up, a second server name, anything else in or between those records.

mod connection;
mod denial;
mod name;
mod policy;
mod reader;
mod record;
mod segment;
mod sent;
mod tcp;
mod token;

pub use connection::Handshake;
pub use name::Keys;
pub use policy::{Binding, Names, Policy};
pub use reader::{Desk, MAX_TOKENS, Read, Reading, Want};
pub use segment::Segment;
pub use sent::{KEPT, Sent};
pub use tcp::Tcp;
