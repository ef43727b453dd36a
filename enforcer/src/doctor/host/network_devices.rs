//! Whether the network devices that the configuration names have filters.

use super::Host;
use crate::bpf::OwnFilters;
use crate::config::{Config, FramesMode};
use crate::core::{Choice, FoundDevice, FoundFilter, choose};
use crate::doctor::check::Check;

const ID: &str = "network devices";

/// Checks the devices of this network namespace; nothing to check if they have no filters by configuration.
pub(super) fn check(host: &Host<'_>, config: Option<&Config>) -> Option<Check> {
    let config = config.filter(|config| config.frames.mode != FramesMode::Off)?;
    let found = OwnFilters::of(&host.paths.pins).list(None);
    Some(match found {
        Ok(found) => check_found(config, &found, host.running().is_some()),
        Err(error) => Check::unknown(ID, error.to_string(), "run doctor as root"),
    })
}

fn check_found(config: &Config, found: &[FoundDevice], daemon_runs: bool) -> Check {
    let (mut filtered, mut unfiltered) = (Vec::new(), Vec::new());
    for device in found {
        let choice = choose(&config.frames, device);
        let is_filtered = !device.filters.both().contains(&&FoundFilter::Missing);
        match choice {
            Choice::Skip(_) => {}
            Choice::Filter(_) if is_filtered => filtered.push(device.name.as_str()),
            Choice::Filter(_) | Choice::UnknownHeader => unfiltered.push(device.name.as_str()),
        }
    }
    if unfiltered.is_empty() {
        let message = format!("{} have filters", filtered.len());
        return Check::new(ID, true, message, "");
    }
    let fix = match daemon_runs {
        true => "`egress-enforcer status` says why: alarm device-unfiltered",
        false => "start the daemon (systemctl start egress-enforcer)",
    };
    let message = format!("without filters: {}", unfiltered.join(", "));
    Check::new(ID, false, message, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use crate::core::FoundFilters;

    fn device(name: &str, link_type: u16, filter: FoundFilter) -> FoundDevice {
        FoundDevice {
            index: 2,
            name: name.to_owned(),
            link_type,
            is_loopback: name == "lo",
            is_bonded: false,
            filters: FoundFilters {
                egress: filter.clone(),
                ingress: filter,
            },
        }
    }

    #[test]
    fn devices_without_filters_are_named() {
        let text = "registry = []\n[frames]\nmode = \"on\"\n";
        let config = parse(text, "/etc/x.toml".as_ref()).unwrap();
        let lo = device("lo", libc::ARPHRD_LOOPBACK, FoundFilter::Missing);
        let eth0 = device("eth0", libc::ARPHRD_ETHER, FoundFilter::Outdated);
        let good = [lo.clone(), eth0.clone()];
        let check = check_found(&config, &good, true);
        assert!(
            check.is_ok() && check.message == "1 have filters",
            "{check:?}"
        );
        let eth1 = device("eth1", libc::ARPHRD_ETHER, FoundFilter::Missing);
        let ib0 = device("ib0", libc::ARPHRD_INFINIBAND, FoundFilter::Missing);
        let bad = check_found(&config, &[lo, eth0, eth1, ib0], false);
        assert_eq!(bad.message, "without filters: eth1, ib0");
        assert!(bad.is_failed() && bad.fix.contains("start the daemon"));
    }
}
