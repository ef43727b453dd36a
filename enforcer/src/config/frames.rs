//! The section `[frames]`.

use serde::{Deserialize, Serialize};

use super::faults::Faults;
use super::value::{InterfacePattern, Located, Text, values};

/// The section `[frames]`: filters at network devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// Whether devices have filters.
    pub mode: FramesMode,
    /// The devices that have filters; empty means all except loopback.
    pub interfaces: Vec<InterfacePattern>,
}

/// Whether network devices have filters, and what these do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FramesMode {
    /// No device has a filter.
    #[default]
    Off,
    /// Denied packets are dropped, unless the whole configuration is in audit mode.
    On,
    /// Denials are reported, and nothing is dropped.
    Audit,
}

/// Filters at network devices: a second place of judgement for packets that no process of this host sends by a socket of its own, such as frames of packet
/// sockets, forwarded packets of containers, and packets that a tunnel wraps or unwraps.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawFrames {
    /// Whether the devices of the network namespace in which the daemon runs have filters. Filters stay when the daemon stops; `unload`, in the same network
    /// namespace, removes them.
    #[cfg_attr(test, schemars(example = &"audit", extend("default" = "off")))]
    mode: Option<Located<RawFramesMode>>,
    /// The devices that have filters, by name; a final `*` stands for any further letters. If the list is empty, all devices except loopback.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["eth0", "veth*"]))]
    interfaces: Vec<Text<InterfacePattern>>,
}

/// As written.
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
enum RawFramesMode {
    /// No device has a filter.
    Off,
    /// Denied packets are dropped, unless `mode` at the top of the file is "audit".
    On,
    /// Denials are reported, and nothing is dropped.
    Audit,
    /// Reserved.
    #[cfg_attr(test, schemars(skip))]
    Auto,
}

impl FramesMode {
    /// Returns the mode as the configuration and the status spell it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Audit => "audit",
        }
    }
}

impl Frames {
    /// Returns whether the configuration names the device `name`.
    pub fn names(&self, name: &str) -> bool {
        let mut patterns = self.interfaces.iter();
        self.interfaces.is_empty() || patterns.any(|pattern| pattern.matches(name))
    }
}

impl RawFrames {
    /// Validates the section.
    pub(super) fn validate(self, faults: &mut Faults) -> Frames {
        let mode = self.mode.map_or(FramesMode::Off, |written| {
            match *written.get_ref() {
                RawFramesMode::Off => FramesMode::Off,
                RawFramesMode::On => FramesMode::On,
                RawFramesMode::Audit => FramesMode::Audit,
                RawFramesMode::Auto => {
                    faults.add(
                        &written.span(),
                        "\"auto\" is reserved for a later version; write \"on\", \"audit\" or \"off\"",
                    );
                    FramesMode::Off
                }
            }
        });
        Frames {
            mode,
            interfaces: values(self.interfaces),
        }
    }
}
