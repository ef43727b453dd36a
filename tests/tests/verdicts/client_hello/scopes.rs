//! Cgroups to which a name applies, and scopes in which names are not checked.

use anyhow::Result;
use enforcer::policy::{ExceptionInput, NameInput, Scope};
use enforcer_common::Reason;
use lab::bpf::loaded_policy;
use test_data::client_hello::client_hello;

use super::fixture::{HelloFixture, LOGIN, LOGIN_AT, MALLORY, ips, name};
use crate::fixture::EPERM;

const ACCOUNT: &str = "contosologs.blob.core.windows.net";
const ACCOUNT_AT: [&str; 2] = ["203.0.113.80", "2001:db8:b10b::80"];

#[test]
fn a_name_of_an_exception_applies_to_its_cgroup_only() -> Result<()> {
    HelloFixture::check(|fixture| {
        let unit = fixture.base.device.child("unit.service")?;
        let other = fixture.base.device.child("other.service")?;
        let id = loaded_policy::open(&unit)?;
        // The account also has an address of the registry.
        let addresses = ips(&[ACCOUNT_AT, LOGIN_AT].concat());
        fixture.apply(|inputs| {
            inputs.exceptions = vec![ExceptionInput {
                bypasses_devices: false,
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
        let mut other_client = fixture.client_in(&other)?;
        fixture.client = fixture.client_in(&unit)?;
        for to in ACCOUNT_AT {
            fixture.passes(to, &client_hello(ACCOUNT))?;
            fixture.denied(to, &client_hello(MALLORY), Reason::ServerNameUnknown)?;
            fixture.denied(to, &client_hello(LOGIN), Reason::ServerNameElsewhere)?;
            assert_eq!(other_client.refused(to)?, EPERM);
        }
        for to in LOGIN_AT {
            fixture.passes(to, &client_hello(ACCOUNT))?;
            fixture.passes(to, &client_hello(LOGIN))?;
        }
        fixture.check_pending()?;
        fixture.client = other_client;
        for to in LOGIN_AT {
            fixture.passes(to, &client_hello(LOGIN))?;
            fixture.denied(to, &client_hello(ACCOUNT), Reason::ServerNameElsewhere)?;
        }
        Ok(())
    })
}

#[test]
fn with_name_checks_disabled_any_first_bytes_are_allowed() -> Result<()> {
    HelloFixture::check(|fixture| {
        fixture.apply(|inputs| inputs.names[0].scopes[0].unchecked = true)?;
        for to in LOGIN_AT {
            for bytes in [
                client_hello(MALLORY),
                client_hello(""),
                b"GET / HTTP/1.0\r\n\r\n".to_vec(),
            ] {
                fixture.passes(to, &bytes)?;
                let connection = fixture.client.fast_open(to, &bytes)?;
                fixture.sink.expect(connection.peer, &[&bytes])?;
            }
            let connection = fixture.client.connect(to)?;
            fixture.client.send_urgent(connection, b"!")?;
            fixture.sink.expect(connection.peer, &[b"!"])?;
        }
        for to in ips(&LOGIN_AT) {
            assert_eq!(fixture.client.send_raw(to, b"raw")?, None);
        }
        assert!(fixture.reasons()?.is_empty(), "{:?}", fixture.reasons()?);
        Ok(())
    })
}
