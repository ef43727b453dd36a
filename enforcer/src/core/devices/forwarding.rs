//! Devices by which other hosts send: what arrives by one and is forwarded has a mode of its own.

use std::collections::BTreeSet;

use enforcer_common::layout::ForwardedMode;

use super::{Devices, ForwardedModes, FoundDevice, Programs};
use crate::config::{Forwarded, Frames};
use crate::core::effect::Effect;
use crate::core::state::State;

/// Layers of devices above a card that are followed, such as a bridge over a VLAN of a bond.
const MAX_LAYERS: usize = 4;

impl Devices {
    /// Returns what `frames` asks for.
    fn forwarded_modes(&self, frames: &Frames) -> ForwardedModes {
        let mode = match frames.forwarded {
            Forwarded::Enforce => return ForwardedModes::new(),
            Forwarded::Audit => ForwardedMode::Audit,
            Forwarded::Pass => ForwardedMode::Pass,
        };
        let outside = if frames.forwarded_from.is_empty() {
            outside(&self.found)
        } else {
            let found = self.found.iter();
            let named = found.filter(|found| frames.is_forwarded_from(&found.name));
            named.map(|found| found.index).collect()
        };
        outside.into_iter().map(|index| (index, mode)).collect()
    }
}

impl Devices {
    /// Returns what happens to denied frames that came in by a device, if that was set.
    pub(super) fn forwarded(&self, index: u32) -> Option<Forwarded> {
        let mode = self.forwarded.as_ref()?.get(&index)?;
        match mode {
            ForwardedMode::Enforce => None,
            ForwardedMode::Audit => Some(Forwarded::Audit),
            ForwardedMode::Pass => Some(Forwarded::Pass),
        }
    }
}

impl State {
    /// Asks for what the configuration and the devices call for, once the programs are loaded.
    pub(super) fn follow_forwarded(&mut self) {
        if !matches!(self.devices.programs, Programs::Loaded) {
            return;
        }
        let forwarded = self.devices.forwarded_modes(&self.sources.config.frames);
        if self.devices.forwarded.as_ref() != Some(&forwarded) {
            self.devices.forwarded = Some(forwarded.clone());
            self.effects.push(Effect::SetForwardedModes(forwarded));
        }
    }

    /// Notes that the modes are in force; if not, they are tried again with the next listing.
    pub(in crate::core) fn forwarded_modes_set(&mut self, outcome: Result<(), String>) {
        if let Err(error) = outcome {
            tracing::warn!("{error}");
            self.devices.forwarded = None;
        }
    }
}

/// Returns the devices by which other hosts send: cards, and VLANs, bonds, teams and bridges that have nothing else below them.
pub(super) fn outside(found: &[FoundDevice]) -> BTreeSet<u32> {
    let cards = found.iter().filter(|found| found.is_card);
    let mut outside: BTreeSet<u32> = cards.map(|found| found.index).collect();
    for _ in 0..MAX_LAYERS {
        let above = found.iter().filter(|device| match device.kind.as_deref() {
            Some("vlan") => device.lower.is_some_and(|lower| outside.contains(&lower)),
            Some("bond" | "team" | "bridge") => {
                let mut members = found
                    .iter()
                    .filter(|member| member.master == Some(device.index));
                let has_members = members.clone().next().is_some();
                has_members && members.all(|member| outside.contains(&member.index))
            }
            _ => false,
        });
        let above: Vec<u32> = above.map(|device| device.index).collect();
        outside.extend(above);
    }
    outside
}

#[cfg(test)]
mod tests {
    use super::super::found::FoundFilters;
    use super::*;
    use crate::config::parse;

    fn device(index: u32, kind: Option<&str>) -> FoundDevice {
        FoundDevice {
            index,
            name: format!("device{index}"),
            link_type: libc::ARPHRD_ETHER,
            is_loopback: false,
            is_bonded: false,
            is_card: kind.is_none(),
            kind: kind.map(str::to_owned).filter(|kind| kind != "l2tp"),
            master: None,
            lower: None,
            filters: FoundFilters::NONE,
        }
    }

    fn member(index: u32, kind: Option<&str>, master: u32) -> FoundDevice {
        FoundDevice {
            master: Some(master),
            ..device(index, kind)
        }
    }

    fn vlan(index: u32, lower: u32) -> FoundDevice {
        FoundDevice {
            lower: Some(lower),
            ..device(index, Some("vlan"))
        }
    }

    fn frames(keys: &str) -> Frames {
        let text = format!("registry = []\n[frames]\nmode = \"on\"\n{keys}\n");
        parse(&text, "/etc/x.toml".as_ref()).unwrap().frames
    }

    #[test]
    fn cards_are_outside_and_what_has_only_them_below() {
        let found = [
            device(2, None),
            member(3, None, 10),
            member(4, None, 10),
            device(10, Some("bond")),
            member(11, Some("vlan"), 12),
            device(12, Some("bridge")),
            device(13, Some("bridge")),
            member(14, Some("veth"), 13),
            member(15, None, 13),
            device(16, Some("bridge")),
            device(17, Some("veth")),
            device(18, Some("vxlan")),
            // The kernel names no kind for it.
            device(21, Some("l2tp")),
            vlan(19, 2),
            vlan(20, 17),
        ];
        let mut found = found.to_vec();
        found[4].lower = Some(10);
        let expected = [2, 3, 4, 10, 11, 12, 15, 19];
        assert_eq!(
            outside(&found),
            expected.into(),
            "no bridge with a container"
        );
    }

    #[test]
    fn the_configuration_names_devices_or_takes_those() {
        let devices = Devices {
            found: vec![device(2, None), device(3, Some("wireguard"))],
            ..Devices::default()
        };
        let modes = |keys: &str| devices.forwarded_modes(&frames(keys));
        let audited = |index| ForwardedModes::from([(index, ForwardedMode::Audit)]);
        assert_eq!(modes(""), ForwardedModes::new(), "the default");
        assert_eq!(modes("forwarded = \"audit\""), audited(2));
        let named = "forwarded = \"audit\"\nforwarded-from = [\"device3\"]";
        assert_eq!(modes(named), audited(3));
        let passing = modes("forwarded = \"pass\"");
        assert_eq!(passing, [(2, ForwardedMode::Pass)].into());
    }
}
