//! The sections `[[exception]]`.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use ipnet::{IpNet, Ipv6Net};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Sni;
use super::faults::Faults;
use super::value::{CgroupPath, Located, Reason, Text, Unit, allowed_prefixes, instant, values};
use crate::name::Name;

/// The key that lets an exception send past the filters of network devices.
pub const DEVICE_BYPASS: &str = "device-bypass";

/// One `[[exception]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The reason for it; not empty.
    pub reason: String,
    /// The unit or cgroup that it applies to.
    pub target: Target,
    /// Names that it allows.
    pub names: Vec<Name>,
    /// Prefixes that it allows.
    pub cidrs: Vec<IpNet>,
    /// The instant at which it ends.
    pub until: Timestamp,
    /// Whether it may send past the filters of network devices.
    pub bypasses_devices: bool,
    /// Whether a ClientHello must carry one of its names.
    pub sni: Sni,
}

/// The unit or cgroup that an exception applies to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// A systemd unit by its full name (`agent.service`).
    Unit(String),
    /// A cgroup by its path below the cgroup v2 root (`/system.slice/agent.service`).
    Cgroup(PathBuf),
}

/// One section for each unit or cgroup that may reach more than all others, with a reason and an end. It has `names`, `cidrs` or
/// `device-bypass`, or several of them, and either `unit` or `cgroup`.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawException {
    /// The reason for the exception. `status` and `explain` show it on one line.
    #[cfg_attr(
        test,
        schemars(required, example = &"Azure Monitor agent uploads its logs")
    )]
    reason: Option<Text<Reason>>,
    /// The systemd unit by its full name.
    ///
    /// Default: see `cgroup`.
    #[cfg_attr(test, schemars(example = &"azuremonitoragent.service"))]
    unit: Option<Text<Unit>>,
    /// The cgroup by its path below the cgroup v2 root, without the mount point /sys/fs/cgroup.
    ///
    /// Default: see `unit`.
    #[cfg_attr(test, schemars(example = &"/system.slice/azuremonitoragent.service"))]
    cgroup: Option<Text<CgroupPath>>,
    /// Whole names that it may reach on TCP port 443. A wildcard would allow every account and is rejected.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["contosologs.blob.core.windows.net"]))]
    names: Vec<Text<Name>>,
    /// Prefixes that it may reach, on every port.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["203.0.113.0/24"]))]
    cidrs: Vec<Located<Text<IpNet>>>,
    /// Whether its processes may set socket options with which packets pass the filters of network devices (`[frames]`) unseen, or change after them:
    /// `PACKET_QDISC_BYPASS`, `PACKET_VNET_HDR` and the send ring of `AF_XDP` sockets, as fieldbus masters and packet generators use them. On Linux 5.10, those of
    /// the cgroup itself, not of cgroups below it.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &true))]
    device_bypass: bool,
    /// The instant from which on the exception allows nothing, whether or not the daemon runs.
    #[cfg_attr(test, schemars(
        required,
        with = "String",
        example = &"2027-01-31T00:00:00Z",
        extend("format" = "date-time"),
    ))]
    until: Option<Located<toml::value::Datetime>>,
    /// As in `[[registry]]`, for the names of this exception and only for its unit or cgroup.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"off"))]
    sni: Sni,
}

impl RawException {
    /// Validates the section; returns `None` if a required key is missing.
    pub(super) fn validate(
        section: Located<Self>,
        nat64: &[Ipv6Net],
        faults: &mut Faults,
    ) -> Option<Exception> {
        let at = section.span();
        let raw = section.into_inner();
        raw.check_target(&at, faults);
        let allowing = ["exception.names", "exception.cidrs"];
        let is_faulty = allowing.iter().any(|key| faults.is_skipped_of(&at, key));
        let allows_nothing = raw.names.is_empty() && raw.cidrs.is_empty() && !raw.device_bypass;
        if allows_nothing && !is_faulty {
            faults.add(&at, "it allows nothing; list names or cidrs, or remove it");
        }
        let cidrs = allowed_prefixes(raw.cidrs, nat64, faults);
        let until = end(raw.until, &at, faults);
        let target = match (raw.unit, raw.cgroup) {
            (Some(Text(Unit(unit))), _) => Target::Unit(unit),
            (None, Some(Text(CgroupPath(path)))) => Target::Cgroup(path),
            (None, None) => return None,
        };
        let Text(Reason(reason)) = raw.reason?;
        Some(Exception {
            reason,
            target,
            names: values(raw.names),
            cidrs,
            until: until?,
            bypasses_devices: raw.device_bypass,
            sni: raw.sni,
        })
    }

    /// Adds what the section at `at` lacks of a reason and of exactly one target.
    fn check_target(&self, at: &Range<usize>, faults: &mut Faults) {
        if self.reason.is_none() {
            faults.missing(at, "exception.reason", "\"why it is needed\"");
        }
        let has_none = self.unit.is_none() && self.cgroup.is_none();
        if has_none && !faults.is_skipped_of(at, "exception.cgroup") {
            let example = &"\"agent.service\" (or cgroup = \"/system.slice/…\")";
            faults.missing(at, "exception.unit", example);
        }
        if self.unit.is_some() && self.cgroup.is_some() {
            faults.add(at, "unit and cgroup are both set; keep one");
        }
    }
}

/// Returns the end of the section at `section_at`.
fn end(
    written: Option<Located<toml::value::Datetime>>,
    section_at: &Range<usize>,
    faults: &mut Faults,
) -> Option<Timestamp> {
    let Some(written) = written else {
        let example = "2027-01-31T00:00:00Z, the date on which it ends";
        faults.missing(section_at, "exception.until", example);
        return None;
    };
    let parsed = instant(written.get_ref());
    parsed
        .map_err(|problem| faults.add(&written.span(), problem))
        .ok()
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(unit) => write!(formatter, "unit {unit}"),
            Self::Cgroup(path) => write!(formatter, "cgroup {}", path.display()),
        }
    }
}
