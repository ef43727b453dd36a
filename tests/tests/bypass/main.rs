//! Ways around the sockets' hooks, each with the daemon in force: first without filters at devices, when the packet arrives at the far side and no
//! event reports it, then with `[frames]`, when the packet is denied and an event names its destination.

mod changed_pages;
mod client;
mod comparison;
mod container_frames;
mod controls;
mod conversations;
mod crafted_hellos;
mod event_log;
mod fences;
mod fixture;
mod lane;
mod link_headers;
mod links;
mod mini_tcp;
mod overlay;
mod packet_sockets;
mod redirected_connections;
mod second_connections;
mod server;
mod topology;
mod tunnel_devices;

use anyhow::Result;

use crate::{
    comparison::{Stage, compare},
    fixture::Fixture,
    links::Station,
};

/// Returns the techniques, those that can run side by side first.
fn stages(fixture: &Fixture) -> Result<[Stage; 2]> {
    let (host, container) = (fixture.host(), fixture.in_container());
    let mut lanes = vec![
        packet_sockets::techniques(fixture)?,
        container_frames::techniques(fixture)?,
        conversations::techniques(fixture)?,
        second_connections::techniques(fixture)?,
        overlay::techniques(fixture)?,
        tunnel_devices::techniques(fixture)?,
        controls::techniques(fixture)?,
    ];
    lanes.extend(crafted_hellos::techniques("host", &host, Station::of_host)?);
    lanes.extend(crafted_hellos::techniques(
        "container",
        &container,
        Station::of_container,
    )?);
    Ok([lanes, vec![changed_pages::techniques(fixture)?]])
}

#[test]
fn ways_around_the_sockets_hooks_are_open_without_frames_and_denied_with_them() -> Result<()> {
    let fixture = Fixture::new()?;
    let complaints = compare(&fixture, &mut stages(&fixture)?)?;
    assert_eq!(complaints, [""; 0]);
    Ok(())
}

/// Apart from the others, as the host then tracks connections and puts fragments together.
#[test]
fn connections_that_the_host_rewrites_are_open_without_frames_and_denied_with_them() -> Result<()> {
    let fixture = Fixture::new()?;
    let Some(lane) = redirected_connections::techniques(&fixture)? else {
        return Ok(());
    };
    let complaints = compare(&fixture, &mut [vec![lane]])?;
    assert_eq!(complaints, [""; 0]);
    Ok(())
}
