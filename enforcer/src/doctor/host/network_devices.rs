//! Whether the network devices that the configuration names have filters, and whether the kernel can run them.

use std::collections::BTreeMap;

use super::Host;
use crate::bpf::{OwnFilters, rehearse_filters};
use crate::config::{Config, FramesMode};
use crate::core::{Choice, FoundDevice, FoundFilter, choose};
use crate::doctor::check::Check;
use crate::sys::{IngressQdisc, KernelError, ingress_qdiscs};

const ID: &str = "network devices";

/// Checks the devices of this network namespace; nothing to check if they have no filters by configuration.
pub(super) fn check(host: &Host<'_>, config: Option<&Config>) -> Option<Check> {
    let config = config.filter(|config| config.frames.mode != FramesMode::Off)?;
    let found = OwnFilters::of(&host.paths.pins).list(None);
    let found = found.and_then(|found| Ok((found, ingress_qdiscs()?)));
    Some(match found {
        Ok((found, qdiscs)) => {
            let devices = Devices::sort(config, &found, &qdiscs);
            check_devices(&devices, host.running().is_some(), rehearse_filters)
        }
        Err(error) => Check::unknown(ID, error.to_string(), "run doctor as root"),
    })
}

/// The devices that have filters, or are to have them.
#[derive(Default)]
struct Devices {
    filtered: usize,
    unfiltered: Vec<String>,
    /// What prevents the filters of one.
    obstacle: Option<KernelError>,
}

impl Devices {
    fn sort(config: &Config, found: &[FoundDevice], qdiscs: &BTreeMap<u32, IngressQdisc>) -> Self {
        let mut devices = Self::default();
        for device in found {
            let choice = choose(&config.frames, device);
            let is_filtered = !device.filters.both().contains(&&FoundFilter::Missing);
            match choice {
                Choice::Skip(_) => {}
                Choice::Filter(_) if is_filtered => devices.filtered += 1,
                Choice::Filter(_) => devices.add_unfiltered(device, qdiscs.get(&device.index)),
                Choice::UnknownHeader => {
                    let named = format!("{} (of an unknown type)", device.name);
                    devices.unfiltered.push(named);
                }
            }
        }
        devices
    }

    fn add_unfiltered(&mut self, device: &FoundDevice, qdisc: Option<&IngressQdisc>) {
        let mut named = device.name.clone();
        if let Some(IngressQdisc::Other(kind)) = qdisc {
            named.push_str(&format!(" ({kind} in the place of clsact)"));
            self.obstacle.get_or_insert(KernelError::NoClsact {
                device: device.name.clone(),
                kind: kind.clone(),
            });
        }
        self.unfiltered.push(named);
    }
}

/// `rehearse`: tries whether the kernel can run filters, which those that are there show.
fn check_devices(
    devices: &Devices,
    daemon_runs: bool,
    rehearse: impl FnOnce() -> Result<(), KernelError>,
) -> Check {
    let Devices {
        filtered,
        unfiltered,
        obstacle,
    } = devices;
    if *filtered == 0
        && let Err(error) = rehearse()
    {
        if matches!(error, KernelError::Privilege { .. }) {
            return Check::unknown(ID, error.to_string(), "run doctor as root");
        }
        let fix = "use a kernel with sch_ingress and cls_bpf, or set frames.mode to \"off\"";
        return Check::new(ID, false, error.to_string(), fix);
    }
    if unfiltered.is_empty() {
        return Check::new(ID, true, format!("{filtered} have filters"), "");
    }
    let obstacle = obstacle.as_ref().map(KernelError::to_string);
    let fix = match daemon_runs {
        true => "`egress-enforcer status` says why: alarm device-unfiltered",
        false => "start the daemon (systemctl start egress-enforcer)",
    };
    let message = format!("without filters: {}", unfiltered.join(", "));
    Check::new(ID, false, message, obstacle.as_deref().unwrap_or(fix))
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::config::parse;
    use crate::core::FoundFilters;

    fn device(index: u32, name: &str, link_type: u16, filter: FoundFilter) -> FoundDevice {
        FoundDevice {
            index,
            name: name.to_owned(),
            link_type,
            is_loopback: name == "lo",
            is_bonded: false,
            is_card: false,
            kind: None,
            master: None,
            lower: None,
            filters: FoundFilters {
                egress: filter.clone(),
                ingress: filter,
            },
        }
    }

    fn sorted(found: &[FoundDevice]) -> Devices {
        let text = "registry = []\n[frames]\nmode = \"on\"\n";
        let config = parse(text, "/etc/x.toml".as_ref()).unwrap();
        let ingress = IngressQdisc::Other("ingress".to_owned());
        let qdiscs = BTreeMap::from([(3, IngressQdisc::Clsact), (5, ingress)]);
        Devices::sort(&config, found, &qdiscs)
    }

    fn all() -> [FoundDevice; 5] {
        let missing = || FoundFilter::Missing;
        [
            device(1, "lo", libc::ARPHRD_LOOPBACK, missing()),
            device(2, "eth0", libc::ARPHRD_ETHER, FoundFilter::Outdated),
            device(3, "eth1", libc::ARPHRD_ETHER, missing()),
            device(4, "ib0", libc::ARPHRD_INFINIBAND, missing()),
            device(5, "veth0", libc::ARPHRD_ETHER, missing()),
        ]
    }

    fn not_tried() -> Result<(), KernelError> {
        panic!("filters are there");
    }

    #[test]
    fn devices_without_filters_are_named() {
        let check = check_devices(&sorted(&all()[..2]), true, not_tried);
        assert!(
            check.is_ok() && check.message == "1 have filters",
            "{check:?}"
        );
        let bad = check_devices(&sorted(&all()[..4]), false, not_tried);
        let expected = "without filters: eth1, ib0 (of an unknown type)";
        assert_eq!(bad.message, expected);
        assert!(bad.is_failed() && bad.fix.contains("start the daemon"));
    }

    #[test]
    fn a_discipline_in_the_place_of_clsact_has_its_fix() {
        let bad = check_devices(&sorted(&all()), true, not_tried);
        let expected = "veth0 (ingress in the place of clsact)";
        assert!(bad.message.ends_with(expected), "{bad:?}");
        let fix = "tc qdisc del dev veth0 ingress";
        assert!(bad.is_failed() && bad.fix.contains(fix), "{bad:?}");
    }

    #[test]
    fn a_kernel_that_cannot_run_filters_fails() {
        let error = |kind| move || Err(KernelError::failed("add clsact")(io::Error::from(kind)));
        let devices = sorted(&all()[2..3]);
        let bad = check_devices(&devices, false, error(io::ErrorKind::NotFound));
        assert!(
            bad.is_failed() && bad.fix.contains("sch_ingress"),
            "{bad:?}"
        );
        let unknown = check_devices(&devices, false, error(io::ErrorKind::PermissionDenied));
        assert!(!unknown.is_ok() && !unknown.is_failed(), "{unknown:?}");
        let able = check_devices(&devices, false, || Ok(()));
        assert_eq!(able.message, "without filters: eth1");
    }
}
