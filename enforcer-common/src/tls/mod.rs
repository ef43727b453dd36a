//! The TLS ClientHello at the beginning of a connection, parsed as a server would: the server name in it, over several segments.
//!
//! One ClientHello (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2) is parsed length by length, in one record or several. Whatever a server might
//! parse differently is denied: lengths that do not add up, a second server name, anything else in or between those records.

mod client_hello;
mod cursor;
mod field;
mod flow_state;
mod inspected;
mod name;
mod partial_flow;
mod payload;
mod phase;
mod policy;
mod record;
mod retransmit;
mod segment;
mod server_name;
mod tcp;

pub use client_hello::{Demand, MAX_FIELDS, ParserScratch, ParserState, Progress};
pub use flow_state::FlowState;
pub use inspected::Inspected;
pub use name::NameKeys;
pub use partial_flow::PartialFlow;
pub use policy::{Grant, GrantValidity, NamePolicy};
pub use retransmit::{RECORDED_BYTES, SentBytes};
pub use segment::{NewBytes, Segment};
pub use tcp::{TcpReply, TcpSegment};
