//! Two customers behind one address, distinguished by the server name in the ClientHello only.

use anyhow::{Result, ensure};
use lab::{
    CONTOSO_LOGIN, Lab, MALLORY_LOGIN,
    clients::captured_hello::{is_in_records, is_retried, key_shares},
    fixtures::enforcer::Enforcer,
    topology::capture::{Capture, Flow},
};

use crate::{
    LOGIN, MINUTE, REGIONS,
    clients::{Act, CLIENTS, Task, unexpected},
    contains_name, ip,
};

/// Contoso's data endpoint in the fresh lab.
const DATA: [&str; 2] = ["198.51.100.130", "2001:db8:acc:80::1"];

#[test]
fn an_upload_to_another_tenant_at_contosos_address_is_denied_from_the_first_byte() -> Result<()> {
    let lab = Lab::start()?;
    let capture = Capture::watch(lab.network())?;
    for family in [0, 1] {
        use_family(&lab, family)?;
        let failed = unexpected(task(&lab, family, MALLORY_LOGIN, Act::Push, true))?;
        assert!(failed.is_empty(), "without enforcement: {failed:#?}");
    }
    let mut reached = capture.take()?;
    reached.retain(|flow| contains_name(flow, MALLORY_LOGIN));
    assert!(reached.len() >= 2 * CLIENTS.len(), "{}", reached.len());
    check_kinds(&reached)?;

    restore_names(&lab)?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    for family in [0, 1] {
        use_family(&lab, family)?;
        let failed = unexpected(task(&lab, family, CONTOSO_LOGIN, Act::Pull, true))?;
        assert!(failed.is_empty(), "{failed:#?}\n{}", enforcer.log());
        lab.pull()?;
        let flows = capture.take()?;
        let hybrid = flows.iter().filter(|flow| is_hybrid(flow)).count();
        let retried = flows.iter().filter(|flow| is_retried(&flow.bytes)).count();
        let cut = flows.iter().filter(|flow| is_in_records(&flow.bytes));
        let counts = [hybrid, retried, cut.count()];
        assert!(hybrid >= 2 && retried >= 1 && counts[2] >= 2, "{counts:?}");

        let before = lab.requests()?.len();
        let passed = unexpected(task(&lab, family, MALLORY_LOGIN, Act::Push, false))?;
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

/// Checks the kinds of clients over both families: two offer a post-quantum group in a ClientHello of more than one segment, one uses TLS 1.2,
/// one gets a HelloRetryRequest, two send ClientHellos in several records.
fn check_kinds(flows: &[Flow]) -> Result<()> {
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

/// Whether the ClientHello has more than 1,400 bytes and a key share of X25519MLKEM768.
fn is_hybrid(flow: &Flow) -> bool {
    let length = flow
        .bytes
        .get(3..5)
        .map_or(0, |length| u16::from_be_bytes([length[0], length[1]]));
    length > 1400 && key_shares(&flow.bytes).is_some_and(|shares| shares.contains(&0x11ec))
}

fn task<'a>(lab: &'a Lab, family: usize, host: &'a str, act: Act, is_allowed: bool) -> Task<'a> {
    Task {
        lab,
        host,
        address: ip(LOGIN[family]),
        act,
        is_allowed,
    }
}

/// Restricts the names to addresses of one family: 0 for IPv4, 1 for IPv6.
fn use_family(lab: &Lab, family: usize) -> Result<()> {
    lab.dns()
        .set_addresses(CONTOSO_LOGIN, &[ip(LOGIN[family])], 1)?;
    let data = "contoso.eastus.data.azurecr.io";
    lab.dns().set_addresses(data, &[ip(DATA[family])], 1)
}

fn restore_names(lab: &Lab) -> Result<()> {
    lab.dns().set_addresses(CONTOSO_LOGIN, &LOGIN.map(ip), 1)?;
    let data = "contoso.eastus.data.azurecr.io";
    lab.dns().set_addresses(data, &DATA.map(ip), 1)
}
