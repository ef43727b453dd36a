//! A running daemon with invalid input keeps its policy, raises an alarm, and recovers.

use std::fs;

use anyhow::Result;
use enforcer::control::Status;
use lab::{Lab, fixtures::enforcer::Enforcer};
use serde_json::Value;

use crate::{
    MINUTE,
    cases::{CASES, Case, Input},
    connects,
    edits::{as_powershell_writes, restore, shown, tags},
};

/// Input that is invalid for a running daemon only.
const LATER_CASES: [Case; 4] = [
    Case {
        what: "older service tags",
        invalidate: |input| tags(input, |file| file["changeNumber"] = 5000.into()),
        says: &["older (change number 5000)", "those in force (5001)"],
    },
    Case {
        what: "service tags older than the bundle",
        invalidate: |input| tags(input, |file| file["changeNumber"] = 305.into()),
        says: &[
            "tags.json: change 305, published about 2024-05-06, older than the bundle",
            "change 403 or later, published 2026-06-22",
        ],
    },
    Case {
        what: "service tags without IPv6",
        invalidate: |input| {
            tags(input, |file| {
                let tags = file["values"].as_array_mut().into_iter().flatten();
                for tag in tags {
                    let prefixes = tag["properties"]["addressPrefixes"].as_array_mut();
                    let is_ipv4 = |prefix: &Value| !prefix.to_string().contains(':');
                    prefixes.into_iter().for_each(|all| all.retain(is_ipv4));
                }
                file["changeNumber"] = 5002.into();
            })
        },
        says: &["IPv6 prefixes of", "more than a newer list ever does"],
    },
    Case {
        what: "another scope",
        invalidate: |input| {
            let scope = input.lab.device_cgroup().path();
            let other = input.lab.cgroup().path();
            let scope_is = |path| format!("scope = {path:?}");
            input.enforcer.edit(&scope_is(scope), &scope_is(other))
        },
        says: &["scope cannot change", "restart"],
    },
];

#[test]
fn invalid_input_raises_an_alarm_changes_nothing_and_can_be_corrected() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    let good = fs::read_to_string(enforcer.config())?;
    let input = Input {
        lab: &lab,
        enforcer: &enforcer,
    };
    let before = policy(&enforcer.api_status()?);
    for case in CASES.iter().chain(&LATER_CASES) {
        (case.invalidate)(&input)?;
        enforcer.signal(libc::SIGHUP)?;
        let status =
            enforcer.await_api_status(case.what, MINUTE, |status| refusal(status).is_some())?;
        let message = refusal(&status).unwrap_or_default();
        for words in case.says.iter().chain(&["the one in force stays"]) {
            assert!(
                message.contains(words),
                "{}: no {words:?} in {message}",
                case.what
            );
        }
        assert_eq!(policy(&status), before, "{}", case.what);
        assert!(!connects(&lab.device(), "203.0.113.66")?, "{}", case.what);
        lab.pull()?;

        restore(&input, &good)?;
        enforcer.signal(libc::SIGHUP)?;
        enforcer.await_api_status("the alarm ends", MINUTE, |status| refusal(status).is_none())?;
    }
    Ok(())
}

#[test]
fn endpoints_with_trailing_commas_and_in_utf_16_are_valid() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    let input = Input {
        lab: &lab,
        enforcer: &enforcer,
    };
    let is_from_file = |status: &Status| {
        let mut names = status
            .registries
            .iter()
            .flat_map(|registry| &registry.names);
        names.any(|name| name.origin.contains("shown.json"))
    };
    assert!(!is_from_file(&enforcer.api_status()?));
    shown(&input, "contoso", "contoso.eastus.data.azurecr.io", "}")?;
    as_powershell_writes(&input)?;
    enforcer.signal(libc::SIGHUP)?;
    let status = enforcer.await_api_status("the file is in use", MINUTE, is_from_file)?;
    assert_eq!(refusal(&status), None);
    lab.pull()?;
    Ok(())
}

/// Returns the message of the alarm about refused input.
fn refusal(status: &Status) -> Option<&str> {
    let mut alarms = status.alarms.iter();
    let alarm = alarms.find(|alarm| alarm.kind == "config-refused");
    alarm.map(|alarm| alarm.message.as_str())
}

/// Returns what refused input must not change.
fn policy(status: &Status) -> impl PartialEq + std::fmt::Debug + use<> {
    let names = status
        .registries
        .iter()
        .flat_map(|registry| &registry.names);
    (
        status.mode,
        status.scope.clone(),
        status.default_allow,
        names.map(|name| name.name.clone()).collect::<Vec<_>>(),
        (
            status.tags.change_number,
            status.tags.ipv4_prefixes,
            status.tags.ipv6_prefixes,
        ),
    )
}
