//! Effect of policy changes on verified connections.

use anyhow::Result;
use enforcer::policy::Inputs;
use enforcer_common::Reason;
use test_data::client_hello::client_hello;

use super::{
    fixture::{DATA_AT, HelloFixture, LOGIN, LOGIN_AT, ips, name},
    socket_client::Connection,
};

fn verified(fixture: &mut HelloFixture) -> Result<Vec<Connection>> {
    let hello = client_hello(LOGIN);
    LOGIN_AT
        .map(|to| fixture.passes(to, &hello))
        .into_iter()
        .collect()
}

#[test]
fn a_name_that_changes_its_addresses_blocks_its_connections_until_they_are_back() -> Result<()> {
    HelloFixture::check(|fixture| {
        let hello = client_hello(LOGIN);
        let connections = verified(fixture)?;
        fixture.apply(|inputs| inputs.names[0].addresses = ips(&DATA_AT))?;
        for connection in &connections {
            fixture.client.send(*connection, b"more")?;
            fixture.stays(*connection, &[&hello])?;
        }
        fixture.check_pending()?;
        assert_eq!(fixture.reasons()?, [Reason::ServerNameElsewhere].into());
        fixture.apply(|inputs| inputs.names[0].addresses = ips(&LOGIN_AT))?;
        for connection in &connections {
            let all = [hello.as_slice(), b"more"].concat();
            fixture.sink.expect(connection.peer, &[&all])?;
        }
        Ok(())
    })
}

#[test]
fn a_removed_name_blocks_its_connections_and_its_address_is_protected_again() -> Result<()> {
    HelloFixture::check(|fixture| {
        let connections = verified(fixture)?;
        fixture.apply(|inputs| {
            inputs.names.remove(0);
            inputs.allowed = ips(&DATA_AT);
        })?;
        for connection in connections {
            fixture.client.send(connection, b"more")?;
            fixture.stays(connection, &[&client_hello(LOGIN)])?;
        }
        fixture.check_pending()?;
        assert_eq!(fixture.reasons()?, [Reason::Registry].into());
        Ok(())
    })
}

#[test]
fn unrelated_changes_do_not_affect_verified_connections() -> Result<()> {
    HelloFixture::check(|fixture| {
        let connections = verified(fixture)?;
        let changes: [fn(&mut Inputs); 4] = [
            |inputs| {
                inputs.names.push(name(3, "fabrikam.azurecr.io", LOGIN_AT));
            },
            |inputs| {
                inputs.names.pop();
            },
            |inputs| {
                inputs.names.remove(1);
                inputs.allowed = ips(&LOGIN_AT);
            },
            |inputs| inputs.default_allow = false,
        ];
        let mut expected = client_hello(LOGIN);
        for change in changes {
            fixture.apply(change)?;
            expected.extend(b"more");
            for connection in &connections {
                fixture.client.send(*connection, b"more")?;
                fixture.sink.expect(connection.peer, &[&expected])?;
            }
        }
        assert!(fixture.reasons()?.is_empty(), "{:?}", fixture.reasons()?);
        Ok(())
    })
}
