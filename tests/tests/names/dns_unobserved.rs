//! Another agent's program rewrites connections to the resolver, as kube-proxy replacements do for service addresses: the programs see
//! neither the original server nor its answers.

use std::{fs::File, net::Ipv4Addr, os::fd::AsRawFd as _};

use anyhow::{Context as _, Result};
use enforcer::control::Status;
use lab::{
    CONTOSO_LOGIN, Lab,
    bpf::{Attach, AttachPoint, Program},
    fixtures::enforcer::Enforcer,
    topology::addresses::RESOLVER_V4,
};
use serde_json::Value;

use crate::{LOGIN, MINUTE, REGIONS, ip};

/// A service address of the resolver, at which no server listens.
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 53, 0, 99);
/// TTL in seconds; short, so that the daemon resolves repeatedly.
const TTL: u32 = 1;

#[test]
fn rewritten_dns_is_reported_by_an_alarm_and_by_doctor_until_it_ends() -> Result<()> {
    let lab = Lab::start()?;
    lab.dns()
        .set_addresses(CONTOSO_LOGIN, &LOGIN.map(ip), TTL)?;
    let cgroup = lab.device_cgroup().child("enforcer")?;
    let program = Program::load_for(AttachPoint::Connect4, &rewrite(SERVICE, RESOLVER_V4))?;
    let directory = File::open(cgroup.path())?;
    let target = u32::try_from(directory.as_raw_fd())?;
    let link = program.attach(AttachPoint::Connect4, target, Attach::default())?;
    let mut enforcer = Enforcer::prepare(&lab, &REGIONS, "")?;
    enforcer.move_to(cgroup);
    let rewritten = format!("[dns]\nservers = [\"{SERVICE}\"]");
    enforcer.edit("[dns]", &rewritten)?;
    enforcer.run()?;
    enforcer.await_names()?;
    enforcer.await_api_status("the alarm", MINUTE, is_alarmed)?;
    let finding = finding(&enforcer)?.context("doctor does not report it")?;
    assert_eq!(finding["outcome"], "failed", "{finding}");

    drop(link);
    let plain = format!("[dns]\nservers = [\"{RESOLVER_V4}\"]");
    enforcer.edit(&rewritten, &plain)?;
    enforcer.signal(libc::SIGHUP)?;
    enforcer.await_api_status("the end of the alarm", MINUTE, |status| !is_alarmed(status))?;
    assert_eq!(self::finding(&enforcer)?, None);
    Ok(())
}

fn is_alarmed(status: &Status) -> bool {
    let mut alarms = status.alarms.iter();
    alarms.any(|alarm| alarm.kind == "dns-unobserved")
}

fn finding(enforcer: &Enforcer) -> Result<Option<Value>> {
    let report = enforcer.json(["doctor"])?;
    let findings = report["checks"].as_array().context("no findings")?;
    let mut findings = findings.iter();
    Ok(findings
        .find(|finding| finding["id"] == "DNS answers")
        .cloned())
}

/// `if (context->user_ip4 == from) context->user_ip4 = to; return 1`, in the encoding of linux/bpf.h.
fn rewrite(from: Ipv4Addr, to: Ipv4Addr) -> [u64; 6] {
    let immediate = |address: Ipv4Addr| u64::from(u32::from_ne_bytes(address.octets())) << 32;
    let user_ip4 = 4 << 16;
    [
        user_ip4 | 0x1261,
        immediate(from) | (2 << 16) | 0x0256,
        immediate(to) | 0x03b4,
        user_ip4 | 0x3163,
        (1 << 32) | 0x00b7,
        0x95,
    ]
}
