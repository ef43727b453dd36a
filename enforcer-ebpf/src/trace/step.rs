//! The steps of a judgement.

use enforcer_common::layout::NameEntry;
use enforcer_common::tls::Grant;
use enforcer_common::{Address, Class, Decision, Exception, Flow, PacketError, Reason};

/// A step with its inputs and results.
#[cfg_attr(
    not(feature = "trace"),
    expect(dead_code, reason = "without the feature, nothing reads a step")
)]
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// The parsed header: IP version, and the flow.
    Header(u32, Result<Flow, PacketError>),
    /// The class of an address.
    Class(Address, Class),
    /// The exception look-up.
    Exception(Address, Option<Exception>),
    /// The allowed name look-up: whether one resolves to the address.
    AllowedName(Address, bool),
    /// The decision on the flow.
    Decision(Decision),
    /// A TCP segment whose payload is checked, with the payload's length in bytes.
    Segment(u32),
    /// The server name of the ClientHello, in the scratch memory of a socket.
    ServerName(u64),
    /// A look-up of the server name or of its pattern among the allowed names.
    NameEntry(Option<NameEntry>),
    /// The look-up of the address's grant by the names of these numbers.
    Grant([u32; 2], Option<Grant>),
    /// The result of the ClientHello check.
    ClientHello(Result<(), Reason>),
    /// The decision on the packet, and whether it passes: in audit mode it does in any case.
    Verdict(Decision, bool),
}
