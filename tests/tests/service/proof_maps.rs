//! `prove` holds what is in the maps against the policy.

use std::fs;

use anyhow::Result;
use enforcer_common::layout::{
    ALLOWED, DNS_ADDRESSES, EXCEPTION_ADDRESSES, NAME_ADDRESSES, NAME_BYTES, NAMES, RESOLVERS,
    SnoopedGrant, VERSION,
};
use lab::Lab;
use lab::bpf;
use lab::fixtures::enforcer::Enforcer;
use lab::fixtures::replicas::Replica;
use lab::topology::cgroup::Cgroup;
use serde_json::Value;

use crate::proof::Proof;

const REGIONS: [&str; 1] = ["eastus"];

#[test]
fn other_maps_and_entries_without_a_reason_are_no_proof() -> Result<()> {
    let lab = Lab::start()?;
    let agent = lab.device_cgroup().child("agent")?;
    let exception = format!(
        "[[exception]]\nreason = \"r\"\ncgroup = {:?}\ncidrs = [\"198.51.100.0/24\"]\nuntil = 2099-01-31T00:00:00Z\n",
        agent.path()
    );
    let enforcer = Enforcer::start(&lab, &REGIONS, &exception)?;
    enforcer.await_names()?;
    let proof = Proof::of(&enforcer, &[])?;
    proof.ensure_all("allowed addresses", "ok", 1)?;

    let pins = lab.bpffs().join("pins").join(format!("v{VERSION}"));
    let storage = [203, 0, 113, 66];
    let address = [&[0; 10][..], &[0xff; 2], &storage].concat();
    let scoped = [&[0; 8][..], &address].concat();
    let any_name = [&scoped[..], &[0xff; 4], &[0; 4]].concat();
    let some_name = [&scoped[..], &[0; 8]].concat();
    let mut name = b"evil.azurecr.io".to_vec();
    name.resize(NAME_BYTES, 0);
    let registry = [&[1, 2, 3, 4, 1, 0, 0, 0][..], &[0; 16]].concat();
    let snooped = vec![0xff; size_of::<SnoopedGrant>()];
    let entries = [
        (
            ALLOWED,
            &address,
            &[1, 0, 0, 0, 0, 0, 0, 0][..],
            "203.0.113.66, ",
        ),
        (
            EXCEPTION_ADDRESSES,
            &scoped,
            &[0xff; 8],
            "203.0.113.66/32 for the cgroup 0",
        ),
        (NAMES, &name, &registry, "the name evil.azurecr.io"),
        (
            NAME_ADDRESSES,
            &any_name,
            &[0xff; 8],
            "203.0.113.66 by any name",
        ),
        (
            DNS_ADDRESSES,
            &some_name,
            &snooped,
            "203.0.113.66 by a DNS answer",
        ),
    ];
    for (map, key, value, _) in entries {
        bpf::Map::pinned(&pins.join(map))?.set(key, value)?;
    }
    let proof = Proof::of(&enforcer, &[])?;
    assert_eq!(proof.code, Some(1));
    let [message] = &proof.messages("allowed addresses")[..] else {
        anyhow::bail!("{:#}", proof.document);
    };
    for (map, key, _, words) in entries {
        assert!(message.contains(words), "{words}: {message}");
        bpf::Map::pinned(&pins.join(map))?.remove(key)?;
    }
    let proof = Proof::of(&enforcer, &[])?;
    proof.ensure_all("allowed addresses", "ok", 1)?;

    let [allowed, other] = [ALLOWED, RESOLVERS].map(|name| pins.join(name));
    let between = pins.join("between");
    let swap = || -> Result<()> {
        for (from, to) in [(&allowed, &between), (&other, &allowed), (&between, &other)] {
            fs::rename(from, to)?;
        }
        Ok(())
    };
    proof.ensure_all("programs", "ok", 1)?;
    swap()?;
    let swapped = Proof::of(&enforcer, &[]);
    swap()?;
    swapped?.ensure_all("programs", "failed", 1)
}

#[test]
fn addresses_that_linger_or_come_from_the_daemon_before_have_a_reason() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::start(&lab, &["eastus", "westus"], "")?;
    enforcer.await_names()?;
    let lingering = |status: &Value| status["lingering"].as_array().map_or(0, Vec::len);
    assert_eq!(lingering(&enforcer.status()?), 0);
    enforcer.edit("\"eastus\", \"westus\"", "\"eastus\"")?;
    enforcer.signal(libc::SIGHUP)?;
    enforcer.await_status("addresses of the removed name linger", |status| {
        lingering(status) > 0
    })?;
    let proof = Proof::of(&enforcer, &[])?;
    proof.ensure_all("allowed addresses", "ok", 1)?;
    enforcer.kill()?;
    enforcer.run()?;
    enforcer.await_names()?;
    let proof = Proof::of(&enforcer, &[])?;
    proof.ensure_all("allowed addresses", "ok", 1)
}

#[test]
fn snooped_answers_patterns_and_exceptions_have_a_reason() -> Result<()> {
    let lab = Lab::start()?;
    let [agent, other] = ["agent", "other"].map(|name| lab.device_cgroup().child(name));
    let (agent, other) = (agent?, other?);
    let exception = |cgroup: &Cgroup, more: &str| -> Result<String> {
        let path = cgroup.path();
        Ok(format!(
            "[[exception]]\nreason = \"a test\"\ncgroup = {path:?}\nnames = [\"evil.blob.core.windows.net\"]\n\
             until = 2099-01-31T00:00:00Z\n{more}"
        ))
    };
    let more = exception(&agent, "")? + &exception(&other, "sni = \"off\"\n")?;
    let mut enforcer = Enforcer::prepare(&lab, &REGIONS, &more)?;
    let pattern = "data-endpoints = [\"contoso.*.data.azurecr.io\"]\n\n[dns]";
    enforcer.edit("\n[dns]", pattern)?;
    enforcer.run()?;
    enforcer.await_names()?;
    let replica = Replica::number(0);
    replica.appear(&lab)?;
    lab.serve_from(Some(replica.region.name))?;
    lab.pull()?;
    for cgroup in [&agent, &other] {
        assert!(lab.exfiltrate_curl(&lab.device_in(cgroup))?.ok);
    }
    assert!(!lab.exfiltrate_curl(&lab.device())?.ok);
    let ensure_proved = |enforcer: &Enforcer| {
        let proof = Proof::of(enforcer, &[])?;
        proof.ensure_all("allowed addresses", "ok", 1)
    };
    ensure_proved(&enforcer)?;

    enforcer.edit(&more, "")?;
    enforcer.signal(libc::SIGHUP)?;
    enforcer.await_status("the exceptions are gone", |status| {
        status["exceptions"].as_array().is_some_and(Vec::is_empty)
    })?;
    ensure_proved(&enforcer)?;
    enforcer.kill()?;
    enforcer.run()?;
    enforcer.await_names()?;
    ensure_proved(&enforcer)
}
