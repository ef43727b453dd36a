//! What a change of the policy does to connections that have passed.

use anyhow::Result;
use enforcer::policy::Inputs;
use enforcer_common::Reason;
use lab::hello::client_hello;

use super::{
    fixture::{DATA_AT, LOGIN, LOGIN_AT, Scene, ips, name},
    socket_client::Connection,
};

fn verified(scene: &mut Scene) -> Result<Vec<Connection>> {
    let hello = client_hello(LOGIN);
    LOGIN_AT
        .map(|to| scene.passes(to, &hello))
        .into_iter()
        .collect()
}

#[test]
fn a_name_that_leads_elsewhere_now_cuts_its_connections_and_they_go_on_when_it_is_back()
-> Result<()> {
    let mut scene = Scene::new()?;
    let hello = client_hello(LOGIN);
    let connections = verified(&mut scene)?;
    scene.apply(|inputs| inputs.names[0].addresses = ips(&DATA_AT))?;
    for connection in &connections {
        scene.client.send(*connection, b"more")?;
        scene.stays(*connection, &[&hello])?;
    }
    scene.settle()?;
    assert_eq!(scene.reasons()?, [Reason::ServerNameElsewhere].into());
    scene.apply(|inputs| inputs.names[0].addresses = ips(&LOGIN_AT))?;
    for connection in &connections {
        let all = [hello.as_slice(), b"more"].concat();
        scene.sink.expect(connection.peer, &[&all])?;
    }
    Ok(())
}

#[test]
fn a_name_that_leaves_cuts_its_connections_and_its_address_closes() -> Result<()> {
    let mut scene = Scene::new()?;
    let connections = verified(&mut scene)?;
    scene.apply(|inputs| {
        inputs.names.remove(0);
        inputs.allowed = ips(&DATA_AT);
    })?;
    for connection in connections {
        scene.client.send(connection, b"more")?;
        scene.stays(connection, &[&client_hello(LOGIN)])?;
    }
    scene.settle()?;
    assert_eq!(scene.reasons()?, [Reason::Registry].into());
    Ok(())
}

#[test]
fn other_changes_leave_connections_alone() -> Result<()> {
    let mut scene = Scene::new()?;
    let connections = verified(&mut scene)?;
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
        scene.apply(change)?;
        expected.extend(b"more");
        for connection in &connections {
            scene.client.send(*connection, b"more")?;
            scene.sink.expect(connection.peer, &[&expected])?;
        }
    }
    assert!(scene.reasons()?.is_empty(), "{:?}", scene.reasons()?);
    Ok(())
}
