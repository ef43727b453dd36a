//! Two customers behind one address: which of them a client talks to is in its ClientHello alone.

use anyhow::Result;
use lab::{
    CONTOSO_LOGIN, Lab, MALLORY_LOGIN,
    capture::{Capture, Flow},
    enforcer::Enforcer,
};

use crate::{
    LOGIN, MINUTE, REGIONS,
    clients::{Act, CLIENTS, Errand, unexpected},
    ip,
};

/// Contoso's data endpoint in the fresh lab.
const DATA: [&str; 2] = ["198.51.100.130", "2001:db8:acc:80::1"];

#[test]
fn an_upload_to_a_neighbour_behind_contosos_address_is_refused_at_its_first_byte() -> Result<()> {
    let lab = Lab::start()?;
    let capture = Capture::watch(lab.world())?;
    for family in [0, 1] {
        use_family(&lab, family)?;
        let failed = unexpected(errand(&lab, family, MALLORY_LOGIN, Act::Push, true))?;
        assert!(failed.is_empty(), "with nothing enforced: {failed:#?}");
    }
    let reached = capture.take()?.into_iter().filter(names_mallory).count();
    assert!(reached >= 2 * CLIENTS.len(), "{reached}");

    fresh_names(&lab)?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    for family in [0, 1] {
        use_family(&lab, family)?;
        let failed = unexpected(errand(&lab, family, CONTOSO_LOGIN, Act::Pull, true))?;
        assert!(failed.is_empty(), "{failed:#?}\n{}", enforcer.log());
        lab.pull()?;
        capture.take()?;

        let before = lab.requests()?.len();
        let passed = unexpected(errand(&lab, family, MALLORY_LOGIN, Act::Push, false))?;
        assert!(passed.is_empty(), "{passed:#?}");
        let flows = capture.take()?;
        assert!(flows.len() >= CLIENTS.len(), "the clients did not connect");
        let leaked: Vec<&Flow> = flows.iter().filter(|flow| !flow.bytes.is_empty()).collect();
        assert!(leaked.is_empty(), "{leaked:?}");
        assert_eq!(lab.requests()?.len(), before);
    }
    enforcer.await_told("each client's ClientHello is counted", MINUTE, |status| {
        status.counters.denied() >= 2 * CLIENTS.len() as u64
    })?;
    Ok(())
}

fn errand<'a>(
    lab: &'a Lab,
    family: usize,
    host: &'a str,
    act: Act,
    is_allowed: bool,
) -> Errand<'a> {
    Errand {
        lab,
        host,
        address: ip(LOGIN[family]),
        act,
        is_allowed,
    }
}

/// Leaves the names addresses of one family only: 0 for IPv4, 1 for IPv6.
fn use_family(lab: &Lab, family: usize) -> Result<()> {
    lab.dns()
        .set_addresses(CONTOSO_LOGIN, &[ip(LOGIN[family])], 1)?;
    let data = "contoso.eastus.data.azurecr.io";
    lab.dns().set_addresses(data, &[ip(DATA[family])], 1)
}

fn fresh_names(lab: &Lab) -> Result<()> {
    lab.dns().set_addresses(CONTOSO_LOGIN, &LOGIN.map(ip), 1)?;
    let data = "contoso.eastus.data.azurecr.io";
    lab.dns().set_addresses(data, &DATA.map(ip), 1)
}

fn names_mallory(flow: &Flow) -> bool {
    let mut windows = flow.bytes.windows(MALLORY_LOGIN.len());
    windows.any(|window| window == MALLORY_LOGIN.as_bytes())
}
