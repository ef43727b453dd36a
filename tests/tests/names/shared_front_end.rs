//! Two customers behind one address: which of them a client talks to is in its ClientHello alone.

use anyhow::{Result, ensure};
use lab::{
    CONTOSO_LOGIN, Lab, MALLORY_LOGIN,
    clients::captured_hello::{is_in_records, is_retried, key_shares},
    fixtures::enforcer::Enforcer,
    topology::capture::{Capture, Flow},
};

use crate::{
    LOGIN, MINUTE, REGIONS,
    clients::{Act, CLIENTS, Errand, unexpected},
    holds, ip,
};

/// Contoso's data endpoint in the fresh lab.
const DATA: [&str; 2] = ["198.51.100.130", "2001:db8:acc:80::1"];

#[test]
fn an_upload_to_a_neighbour_behind_contosos_address_is_refused_at_its_first_byte() -> Result<()> {
    let lab = Lab::start()?;
    let capture = Capture::watch(lab.network())?;
    for family in [0, 1] {
        use_family(&lab, family)?;
        let failed = unexpected(errand(&lab, family, MALLORY_LOGIN, Act::Push, true))?;
        assert!(failed.is_empty(), "with nothing enforced: {failed:#?}");
    }
    let mut reached = capture.take()?;
    reached.retain(|flow| holds(flow, MALLORY_LOGIN));
    assert!(reached.len() >= 2 * CLIENTS.len(), "{}", reached.len());
    are_of_every_kind(&reached)?;

    fresh_names(&lab)?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    for family in [0, 1] {
        use_family(&lab, family)?;
        let failed = unexpected(errand(&lab, family, CONTOSO_LOGIN, Act::Pull, true))?;
        assert!(failed.is_empty(), "{failed:#?}\n{}", enforcer.log());
        lab.pull()?;
        let flows = capture.take()?;
        let hybrid = flows.iter().filter(|flow| is_hybrid(flow)).count();
        let retried = flows.iter().filter(|flow| is_retried(&flow.bytes)).count();
        let cut = flows.iter().filter(|flow| is_in_records(&flow.bytes));
        let counts = [hybrid, retried, cut.count()];
        assert!(hybrid >= 2 && retried >= 1 && counts[2] >= 2, "{counts:?}");

        let before = lab.requests()?.len();
        let passed = unexpected(errand(&lab, family, MALLORY_LOGIN, Act::Push, false))?;
        assert!(passed.is_empty(), "{passed:#?}");
        let flows = capture.take()?;
        assert!(flows.len() >= CLIENTS.len(), "the clients did not connect");
        let leaked: Vec<&Flow> = flows.iter().filter(|flow| !flow.bytes.is_empty()).collect();
        assert!(leaked.is_empty(), "{leaked:?}");
        assert_eq!(lab.requests()?.len(), before);
    }
    enforcer.await_api_status("each client's ClientHello is counted", MINUTE, |status| {
        status.counters.denied() >= 2 * CLIENTS.len() as u64
    })?;
    Ok(())
}

/// Two of the clients offer a post-quantum group, in a hello of more than one segment; one speaks TLS 1.2; one is asked for another hello;
/// two send hellos in several records. Over both families.
fn are_of_every_kind(flows: &[Flow]) -> Result<()> {
    for is_v4 in [true, false] {
        let flows = || flows.iter().filter(|flow| flow.server.is_ipv4() == is_v4);
        let hybrid = flows().filter(|flow| is_hybrid(flow)).count();
        let old = flows()
            .filter(|flow| key_shares(&flow.bytes).is_some_and(|shares| shares.is_empty()))
            .count();
        let retried = flows().filter(|flow| is_retried(&flow.bytes)).count();
        let cut = flows().filter(|flow| is_in_records(&flow.bytes)).count();
        let counts = [hybrid, old, retried, cut];
        ensure!(
            hybrid >= 2 && old >= 1 && retried >= 1 && cut >= 2,
            "IPv4: {is_v4}; {counts:?}"
        );
    }
    Ok(())
}

/// Whether a ClientHello of more than 1,400 bytes brings a share of X25519MLKEM768.
fn is_hybrid(flow: &Flow) -> bool {
    let length = flow
        .bytes
        .get(3..5)
        .map_or(0, |length| u16::from_be_bytes([length[0], length[1]]));
    length > 1400 && key_shares(&flow.bytes).is_some_and(|shares| shares.contains(&0x11ec))
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
