//! Audit mode: all packets are judged and reported, none is dropped.

use anyhow::Result;
use lab::{
    EVIL_LOGIN, Lab,
    fixtures::enforcer::Enforcer,
    topology::{addresses::STORAGE, packet_counter::PacketCounter},
};

use crate::{ACCOUNT, MINUTE, REGIONS, ip, others};

#[test]
fn audit_mode_allows_and_reports_everything() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &REGIONS, "")?;
    enforcer.edit("scope =", "mode = \"audit\"\nscope =")?;
    enforcer.run()?;
    let counter = PacketCounter::watch(lab.network())?;
    let device = lab.device();

    assert!(lab.exfiltrate_sdk(&device)?.ok);
    assert!(lab.exfiltrate_curl(&device)?.ok);
    lab.push_to(EVIL_LOGIN, &device)?;
    lab.pull()?;
    let attempts = lab.attempt(&device, &ACCOUNT.map(ip), 1)?;
    let failed = others(&attempts, None);
    assert!(failed.is_empty(), "{failed:?}");
    assert!(counter.packets_to(&STORAGE)? > 0);

    let status = enforcer.await_api_status("the verdicts are counted", MINUTE, |status| {
        let counted = |reason| {
            let mut counts = status.counters.counts.iter();
            counts.any(|count| count.reason == reason && count.verdict == "audit")
        };
        counted("storage") && counted("registry")
    })?;
    let counters = &status.counters;
    assert_eq!((counters.denied(), counters.attempts("deny")), (0, 0));
    let (attempts, judged) = (counters.attempts("audit"), counters.judged("audit"));
    assert!(0 < attempts && attempts < judged, "{counters:?}");
    assert!(enforcer.metrics()?.contains("verdict=\"audit\"}"));
    let events = enforcer.events()?;
    assert!(!events.is_empty(), "{status:?}");
    assert!(
        events.iter().all(|event| event.verdict == "audit"),
        "{events:?}"
    );
    for reason in ["storage", "registry"] {
        assert!(
            events.iter().any(|event| event.reason == reason),
            "{events:?}"
        );
    }
    Ok(())
}
