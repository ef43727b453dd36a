//! The section `[frames]`.

use serde::{Deserialize, Serialize};

use super::value::{InterfacePattern, Text, values};

/// The section `[frames]`: filters at network devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    /// Whether devices have filters.
    pub mode: FramesMode,
    /// Whether the mode follows from what the policy applies to.
    is_auto: bool,
    /// The devices that have filters; empty means all except loopback.
    pub interfaces: Vec<InterfacePattern>,
    /// What happens to denied frames that other hosts sent.
    pub forwarded: Forwarded,
    /// The devices by which other hosts send; empty means cards, and what has only them below.
    pub forwarded_from: Vec<InterfacePattern>,
}

/// What happens to denied frames that this host forwards for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Forwarded {
    /// They are treated like frames of this host.
    Enforce,
    /// They are reported, and pass.
    Audit,
    /// They pass, unreported.
    Pass,
}

/// Whether network devices have filters, and what these do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"audit"))]
    mode: RawFramesMode,
    /// The devices that have filters, by name; a final `*` stands for any further letters. If the list is empty, all devices except loopback.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["eth0", "veth*"]))]
    interfaces: Vec<Text<InterfacePattern>>,
    /// What happens to denied frames that this host forwards for other hosts, as a router or a bridge. Frames of containers, virtual machines and tunnels of this
    /// host are not among them, but see docs/frames.md before you let any pass.
    ///
    /// Default: "audit" where `mode` is "auto", so that a gateway keeps forwarding until somebody decides; otherwise "enforce".
    #[cfg_attr(test, schemars(example = &"enforce"))]
    forwarded: Option<Forwarded>,
    /// The devices by which other hosts send, as in `interfaces`. If the list is empty: network cards (before Linux 5.14, those whose driver says so), and the
    /// VLANs, bonds, teams and bridges that have nothing but cards below them.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["eth1", "wg0"]))]
    forwarded_from: Vec<Text<InterfacePattern>>,
}

/// As written.
#[derive(Clone, Copy, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "kebab-case")]
enum RawFramesMode {
    /// As "on" if the policy applies to every process of the host, that is without `scope`; as "off" with it, and under `run --ephemeral`.
    #[default]
    Auto,
    /// No device has a filter.
    Off,
    /// Denied packets are dropped, unless `mode` at the top of the file is "audit".
    On,
    /// Denials are reported, and nothing is dropped.
    Audit,
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
    /// Returns what applies without the section; `is_host`: the policy applies to every process of the host.
    pub(super) fn without_section(is_host: bool) -> Self {
        RawFrames::default().validate(is_host)
    }

    /// Leaves devices without filters unless the configuration asks for them: the policy does not apply to the host, or does not outlive the daemon.
    pub(crate) fn leave_auto(&mut self) {
        if self.is_auto {
            self.mode = FramesMode::Off;
        }
    }

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
    /// Returns the section; `is_host`: the policy applies to every process of the host.
    pub(super) fn validate(self, is_host: bool) -> Frames {
        let (mode, forwarded) = match self.mode {
            RawFramesMode::Auto if is_host => (FramesMode::On, Forwarded::Audit),
            RawFramesMode::Auto | RawFramesMode::Off => (FramesMode::Off, Forwarded::Enforce),
            RawFramesMode::On => (FramesMode::On, Forwarded::Enforce),
            RawFramesMode::Audit => (FramesMode::Audit, Forwarded::Enforce),
        };
        Frames {
            mode,
            is_auto: matches!(self.mode, RawFramesMode::Auto),
            interfaces: values(self.interfaces),
            forwarded: self.forwarded.unwrap_or(forwarded),
            forwarded_from: values(self.forwarded_from),
        }
    }
}
