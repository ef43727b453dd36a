//! For whom a name counts, and where none does.

use anyhow::Result;
use enforcer::policy::{ExceptionInput, NameInput, Scope};
use enforcer_common::Reason;
use lab::{bpf::loaded_policy, hello::client_hello};

use super::fixture::{LOGIN, LOGIN_AT, MALLORY, Scene, ips, name};
use crate::fixture::EPERM;

const ACCOUNT: &str = "contosologs.blob.core.windows.net";
const ACCOUNT_AT: [&str; 2] = ["203.0.113.80", "2001:db8:b10b::80"];

#[test]
fn a_name_of_an_exception_counts_for_its_cgroup_alone() -> Result<()> {
    let mut scene = Scene::new()?;
    let unit = scene.stage.device.child("unit.service")?;
    let other = scene.stage.device.child("other.service")?;
    let id = loaded_policy::open(&unit)?;
    // The account leads to an address of the registry, too.
    let addresses = ips(&[ACCOUNT_AT, LOGIN_AT].concat());
    scene.apply(|inputs| {
        inputs.exceptions = vec![ExceptionInput {
            cgroup: id.id,
            level: id.level,
            deadline: u64::MAX,
            prefixes: Vec::new(),
            addresses: addresses.clone(),
        }];
        inputs.names.push(NameInput {
            scopes: vec![Scope {
                cgroup: id.id,
                deadline: u64::MAX,
                unchecked: false,
            }],
            addresses,
            ..name(3, ACCOUNT, ACCOUNT_AT)
        });
    })?;
    let mut stranger = scene.client_in(&other)?;
    scene.client = scene.client_in(&unit)?;
    for to in ACCOUNT_AT {
        scene.passes(to, &client_hello(ACCOUNT))?;
        scene.denied(to, &client_hello(MALLORY), Reason::ServerNameUnknown)?;
        scene.denied(to, &client_hello(LOGIN), Reason::ServerNameElsewhere)?;
        assert_eq!(stranger.refused(to)?, EPERM);
    }
    for to in LOGIN_AT {
        scene.passes(to, &client_hello(ACCOUNT))?;
        scene.passes(to, &client_hello(LOGIN))?;
    }
    scene.settle()?;
    scene.client = stranger;
    for to in LOGIN_AT {
        scene.passes(to, &client_hello(LOGIN))?;
        scene.denied(to, &client_hello(ACCOUNT), Reason::ServerNameElsewhere)?;
    }
    scene.settle()
}

#[test]
fn where_names_do_not_count_anything_passes() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.apply(|inputs| inputs.names[0].scopes[0].unchecked = true)?;
    for to in LOGIN_AT {
        for bytes in [
            client_hello(MALLORY),
            client_hello(""),
            b"GET / HTTP/1.0\r\n\r\n".to_vec(),
        ] {
            scene.passes(to, &bytes)?;
            let connection = scene.client.fast_open(to, &bytes)?;
            scene.sink.expect(connection.peer, &[&bytes])?;
        }
        let connection = scene.client.connect(to)?;
        scene.client.send_urgent(connection, b"!")?;
        scene.sink.expect(connection.peer, &[b"!"])?;
    }
    for to in ips(&LOGIN_AT) {
        assert_eq!(scene.client.send_raw(to, b"raw")?, None);
    }
    assert!(scene.reasons()?.is_empty(), "{:?}", scene.reasons()?);
    Ok(())
}
