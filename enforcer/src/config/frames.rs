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
    /// What happens to denied frames that other hosts sent.
    pub forwarded: Forwarded,
    /// The devices by which other hosts send; empty means cards, and what has only them below.
    pub forwarded_from: Vec<InterfacePattern>,
}

/// What happens to denied frames that this host forwards for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Forwarded {
    /// They are treated like frames of this host.
    #[default]
    Enforce,
    /// They are reported, and pass.
    Audit,
    /// They pass, unreported.
    Pass,
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
    /// What happens to denied frames that this host forwards for other hosts, as a router or a bridge. Frames of containers, virtual machines and tunnels of this
    /// host are not among them, but see docs/frames.md before you let any pass.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"audit"))]
    forwarded: Forwarded,
    /// The devices by which other hosts send, as in `interfaces`. If the list is empty: network cards (from Linux 5.14 on), and the VLANs, bonds, teams and
    /// bridges that have nothing but cards below them.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["eth1", "wg0"]))]
    forwarded_from: Vec<Text<InterfacePattern>>,
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

    /// Returns whether `forwarded-from` names the device `name`.
    pub fn is_forwarded_from(&self, name: &str) -> bool {
        let mut patterns = self.forwarded_from.iter();
        patterns.any(|pattern| pattern.matches(name))
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
            forwarded: self.forwarded,
            forwarded_from: values(self.forwarded_from),
        }
    }
}
