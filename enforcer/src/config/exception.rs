//! The sections `[[exception]]`, validated.

use ipnet::Ipv6Net;
use toml::Spanned;

use super::faults::Faults;
use super::prefix::opened;
use super::raw::RawException;
use super::validate::values;
use super::value::{CgroupPath, Reason, Text, Unit, instant};
use super::{Exception, Target};

/// The exception, unless it lacks something.
pub(super) fn exception(
    raw: Spanned<RawException>,
    nat64: &[Ipv6Net],
    faults: &mut Faults,
) -> Option<Exception> {
    let at = raw.span();
    let raw = raw.into_inner();
    if raw.reason.is_none() {
        faults.missing(&at, "exception.reason", "\"why this is open\"");
    }
    let is_for_none = raw.unit.is_none() && raw.cgroup.is_none();
    if is_for_none && !faults.is_left_out_of(&at, "exception.cgroup") {
        let example = "\"agent.service\" (or cgroup = \"/system.slice/…\")";
        faults.missing(&at, "exception.unit", example);
    }
    if raw.unit.is_some() && raw.cgroup.is_some() {
        faults.add(&at, "unit and cgroup both stand there; keep one");
    }
    let opening = ["exception.names", "exception.cidrs"];
    let is_faulty = opening.iter().any(|key| faults.is_left_out_of(&at, key));
    if raw.names.is_empty() && raw.cidrs.is_empty() && !is_faulty {
        faults.add(&at, "it opens nothing; list names or cidrs, or remove it");
    }
    let cidrs = opened(raw.cidrs, nat64, faults);
    let until = raw
        .until
        .map(|until| (until.span(), instant(until.get_ref())));
    let until = match until {
        Some((_, Ok(until))) => Some(until),
        Some((at, Err(problem))) => {
            faults.add(&at, problem);
            None
        }
        None => {
            let example = "2027-01-31T00:00:00Z, the date on which it ends";
            faults.missing(&at, "exception.until", example);
            None
        }
    };
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
        sni: raw.sni,
    })
}
