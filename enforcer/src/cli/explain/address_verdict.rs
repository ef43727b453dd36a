//! The verdict on one address of the destination, as JSON and as text.

use std::fmt::{Formatter, Result};
use std::net::IpAddr;

use serde::Serialize;

use super::evaluation::Evaluation;
use crate::bpf::Step;
use crate::name::Name;

/// The verdict on one address.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) struct AddressVerdict {
    /// The address.
    pub(super) address: IpAddr,
    /// The verdict on a connection of a socket.
    #[serde(flatten)]
    pub(super) verdict: Evaluation,
    /// The allowed names that resolve to it.
    pub(super) names: Vec<Name>,
    /// The verdict on a packet without a socket at a network device, if any judges: exceptions of all units apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) without_socket: Option<Evaluation>,
    /// The steps of the decision, with `--trace`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        test,
        schemars(with = "Option<Vec<std::collections::BTreeMap<String, serde_json::Value>>>")
    )]
    pub(super) trace: Option<Vec<Step>>,
}

impl AddressVerdict {
    /// Writes it; `alone`: the destination has no other address.
    pub(super) fn write(&self, alone: bool, formatter: &mut Formatter<'_>) -> Result {
        if alone {
            writeln!(formatter, "  {}", self.verdict.sentence)?;
        } else {
            let (verdict, sentence) = (self.verdict.text(), self.verdict.sentence);
            writeln!(formatter, "  {}: {verdict}: {sentence}", self.address)?;
        }
        if let Some(other) = &self.without_socket {
            let (verdict, sentence) = (other.text(), other.sentence);
            let what = "without a socket (forwarded, or of a packet socket)";
            writeln!(formatter, "  {what}: {verdict}: {sentence}")?;
        }
        if !self.names.is_empty() {
            let names: Vec<&str> = self.names.iter().map(|name| name.as_str()).collect();
            let names = names.join(", ");
            writeln!(
                formatter,
                "  names that resolve to {}: {names}",
                self.address
            )?;
        }
        for step in self.trace.iter().flatten() {
            writeln!(formatter, "    {step}")?;
        }
        Ok(())
    }
}
