//! A network device as the status reports it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Forwarded;

/// A network device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct DeviceStatus {
    /// The name.
    pub name: String,
    /// The interface index.
    pub index: u32,
    /// Whether it has filters.
    pub state: DeviceState,
    /// Why it has none.
    pub reason: Option<String>,
    /// When filters that another program removed were last restored.
    #[cfg_attr(test, schemars(with = "Option<crate::documents::Time>"))]
    pub restored: Option<Timestamp>,
    /// What happens to denied frames that came in by it and are forwarded, if they are not treated like those of this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<Forwarded>,
}

/// Whether a network device has filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DeviceState {
    /// Denied packets are dropped, unless the whole configuration is in audit mode.
    Filtered,
    /// Denied packets are reported.
    Audited,
    /// It is to have none.
    Skipped,
    /// It is to have filters, and has not.
    Unfiltered,
}

impl DeviceState {
    /// Returns the word in the status.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Filtered => "filtered",
            Self::Audited => "audited",
            Self::Skipped => "skipped",
            Self::Unfiltered => "unfiltered",
        }
    }
}
