//! Past denials that the policy in force allows by now.

use ipnet::IpNet;

use crate::config::{EndpointPattern, Target};
use crate::core::{EventRecord, ExceptionStatus, Status};

/// Whether the policy in force allows what was denied, as far as the event shows: a name or a prefix came since.
pub(super) fn already_allows(status: &Status, event: &EventRecord) -> bool {
    let mut registries = status.registries.iter();
    let is_registry = registries.any(|registry| {
        let mut names = registry.names.iter();
        let mut patterns = registry.patterns.iter();
        names.any(|known| Some(known.name.as_str()) == event.wanted_name())
            || patterns.any(|known| matches(&known.pattern, event))
    });
    let mut exceptions = status.exceptions.iter().filter(|one| !one.ended);
    is_registry || exceptions.any(|one| is_for(one, event) && covers(one, event))
}

fn matches(pattern: &str, event: &EventRecord) -> bool {
    let wanted = event.wanted_name().and_then(|name| name.parse().ok());
    let pattern = pattern.parse::<EndpointPattern>().ok();
    pattern.is_some_and(|pattern| wanted.is_some_and(|name| pattern.matches(&name)))
}

fn is_for(exception: &ExceptionStatus, event: &EventRecord) -> bool {
    let unit = event.unit.clone().map(Target::Unit);
    let is_unit = unit.is_some_and(|unit| unit.to_string() == exception.target);
    let cgroup = event.cgroup.iter().flat_map(|path| path.ancestors());
    let mut cgroups = cgroup.map(|path| Target::Cgroup(path.to_owned()).to_string());
    is_unit || cgroups.any(|cgroup| cgroup == exception.target)
}

fn covers(exception: &ExceptionStatus, event: &EventRecord) -> bool {
    let to = event.destination.map(|to| to.to_canonical());
    let mut prefixes = exception.cidrs.iter();
    let is_in_prefix = to.is_some_and(|to| {
        prefixes.any(|text| {
            text.parse::<IpNet>()
                .is_ok_and(|prefix| prefix.contains(&to))
        })
    });
    let mut names = exception.names.iter();
    let wanted = event.wanted_name();
    is_in_prefix || names.any(|known| Some(known.name.as_str()) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::test_data;

    fn status(target: &str) -> Status {
        let mut status = test_data::status();
        let name = status.registries[0].names[0].clone();
        status.exceptions = vec![ExceptionStatus {
            reason: "logs".to_owned(),
            target: target.to_owned(),
            cgroups: Vec::new(),
            names: vec![crate::core::NameStatus {
                name: "logs.blob.core.windows.net".parse().unwrap(),
                ..name
            }],
            cidrs: vec!["20.38.98.0/25".to_owned()],
            sni: crate::config::Sni::Required,
            device_bypass: false,
            until: test_data::at("23:00"),
            ended: false,
        }];
        status
    }

    fn event() -> EventRecord {
        EventRecord {
            cgroup: Some("/plant/line/one".into()),
            ..test_data::event()
        }
    }

    #[test]
    fn an_exception_in_force_counts_for_its_unit_or_the_cgroups_below_it() {
        for (target, allows) in [
            ("unit build.service", true),
            ("unit other.service", false),
            ("cgroup /plant/line", true),
            ("cgroup /plant/lin", false),
        ] {
            assert_eq!(
                already_allows(&status(target), &event()),
                allows,
                "{target}"
            );
        }
        let mut ended = status("unit build.service");
        ended.exceptions[0].ended = true;
        assert!(!already_allows(&ended, &event()));
    }

    #[test]
    fn the_name_that_was_asked_for_counts() {
        let elsewhere = |name: &str| EventRecord {
            destination: "20.38.99.1".parse().ok(),
            queried_name: name.parse().ok(),
            ..event()
        };
        let status = status("unit build.service");
        assert!(already_allows(
            &status,
            &elsewhere("logs.blob.core.windows.net")
        ));
        assert!(!already_allows(
            &status,
            &elsewhere("evil.blob.core.windows.net")
        ));
        assert!(already_allows(&status, &elsewhere("contoso.azurecr.io")));
        let mut status = status;
        status.registries[0]
            .patterns
            .push(crate::core::PatternStatus {
                pattern: "contoso.*.data.azurecr.io".to_owned(),
                addresses: Vec::new(),
            });
        assert!(already_allows(
            &status,
            &elsewhere("contoso.westus.data.azurecr.io")
        ));
        assert!(!already_allows(
            &status,
            &elsewhere("evil.westus.data.azurecr.io")
        ));
    }
}
