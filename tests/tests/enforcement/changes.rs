//! Changes of modes and exceptions: events with old and new values, and log lines.

use anyhow::{Context, Result};
use enforcer::control::EventRecord;
use lab::{Lab, fixtures::enforcer::Enforcer};

use crate::{MINUTE, REGIONS};

const FIRST_END: &str = "2099-01-01T00:00:00Z";
const SECOND_END: &str = "2099-06-01T00:00:00Z";

#[test]
fn changes_of_modes_and_exceptions_are_events_with_old_and_new_values() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    let cgroup = lab.device_cgroup().child("agent")?;
    let exception = |until: &str| {
        format!(
            "[[exception]]\nreason = \"a test\"\ncgroup = {:?}\ncidrs = [\"203.0.113.0/25\"]\nuntil = {until}\n",
            cgroup.path()
        )
    };
    let (first, second) = (exception(FIRST_END), exception(SECOND_END));
    for (old, new, kind, before, after) in [
        (
            "scope =",
            "mode = \"audit\"\nscope =",
            "mode",
            Some("enforce"),
            Some("audit"),
        ),
        (
            "mode = \"audit\"\n",
            "",
            "mode",
            Some("audit"),
            Some("enforce"),
        ),
        (
            "[paths]",
            &*format!("{first}[paths]"),
            "exception-started",
            None,
            Some(FIRST_END),
        ),
        (
            &*first,
            &*second,
            "exception-changed",
            Some(FIRST_END),
            Some(SECOND_END),
        ),
        (&*second, "", "exception-ended", Some(SECOND_END), None),
    ] {
        enforcer.edit(old, new)?;
        enforcer.signal(libc::SIGHUP)?;
        let is_wanted = |event: &EventRecord| {
            event.reason == kind
                && event.verdict == "note"
                && (event.old.as_deref(), event.new.as_deref()) == (before, after)
        };
        enforcer.await_api_status("the event of the change", MINUTE, |_status| {
            enforcer
                .events()
                .is_ok_and(|events| events.iter().any(is_wanted))
        })?;
        let events = enforcer.events()?;
        let count = events.iter().filter(|event| is_wanted(event)).count();
        assert_eq!(count, 1, "{events:#?}");
        let event = events
            .iter()
            .find(|event| is_wanted(event))
            .context("the event is missing")?;
        let message = event.message.as_deref().context("no message")?;
        assert!(enforcer.log().contains(message), "{message}");
    }
    Ok(())
}
