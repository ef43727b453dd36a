//! Ways around the sockets' hooks, each with the daemon in force: first without filters at devices, when the packet arrives at the far side and no
//! event reports it, then with `[frames]`, when the packet is denied and an event names its destination.

mod bypasses;
mod changed_pages;
mod client;
mod comparison;
mod container_frames;
mod controls;
mod conversations;
mod crafted_hellos;
mod datagram_tunnels;
mod embedded_addresses;
mod endpoint;
mod event_log;
mod fences;
mod fixture;
mod group_messages;
mod kernel_tls;
mod lane;
mod link_headers;
mod links;
mod mini_tcp;
mod nested_container;
mod outcome;
mod overlay;
mod packet_sockets;
mod places;
mod races;
mod raw_tunnels;
mod redirected_connections;
mod second_connections;
mod segment_routing;
mod selection;
mod server;
mod shared_card;
mod socket_options;
mod socket_proxy;
mod support;
mod syn_cookies;
mod topology;
mod tun_owner;
mod tunnel_devices;
mod upper_devices;
mod virtual_servers;
mod wireguard;
mod xfrm_interfaces;

use anyhow::Result;

use crate::{
    comparison::{Stage, compare, compare_places},
    fixture::Fixture,
    links::Station,
    places::Place,
};

/// Returns the techniques: those that run alone first, as the others leave some traffic behind.
fn stages(fixture: &Fixture) -> Result<[Stage; 3]> {
    let (host, container) = (fixture.host(), fixture.in_container());
    let mut lanes = vec![
        packet_sockets::techniques(fixture)?,
        container_frames::techniques(fixture)?,
        conversations::techniques(fixture)?,
        second_connections::techniques(fixture)?,
        overlay::techniques(fixture)?,
        tunnel_devices::techniques(fixture)?,
        datagram_tunnels::techniques(fixture)?,
        raw_tunnels::techniques(fixture)?,
        embedded_addresses::techniques(fixture)?,
        nested_container::techniques(fixture)?,
        controls::techniques(fixture)?,
    ];
    lanes.extend(tun_owner::techniques(fixture)?);
    lanes.extend(segment_routing::techniques(fixture)?);
    lanes.extend(shared_card::macvlan(fixture)?);
    lanes.extend(upper_devices::macvlan(fixture)?);
    lanes.extend(wireguard::techniques(fixture)?);
    lanes.extend(xfrm_interfaces::techniques(fixture)?);
    lanes.extend(kernel_tls::verified(fixture)?);
    lanes.extend(crafted_hellos::techniques("host", &host, Station::of_host)?);
    lanes.extend(crafted_hellos::techniques(
        "container",
        &container,
        Station::of_container,
    )?);
    Ok([
        vec![changed_pages::techniques(fixture)?],
        vec![syn_cookies::techniques(fixture)?],
        lanes,
    ])
}

/// Returns the techniques that run behind the others, as the host then tracks connections and puts fragments together.
fn last_stage(fixture: &Fixture) -> Result<[Stage; 1]> {
    let lanes = [
        redirected_connections::techniques(fixture)?,
        virtual_servers::techniques(fixture)?,
        upper_devices::ipvlan(fixture)?,
        shared_card::ipvlan(fixture)?,
    ];
    Ok([lanes.into_iter().flatten().collect()])
}

/// Returns the techniques that the sockets' hooks deny, with senders outside and inside the scope.
fn places(fixture: &Fixture) -> Result<[Stage; 2]> {
    let stage = |place| -> Result<Stage> {
        let lanes = [
            kernel_tls::unverified(fixture, place)?,
            socket_proxy::techniques(fixture, place)?,
        ];
        Ok(lanes.into_iter().flatten().collect())
    };
    Ok([stage(Place::Outside)?, stage(Place::Inside)?])
}

#[test]
fn ways_around_the_sockets_hooks_are_open_without_frames_and_denied_with_them() -> Result<()> {
    let fixture = Fixture::new()?;
    let mut complaints = compare(&fixture, &mut stages(&fixture)?)?;
    complaints.extend(compare(&fixture, &mut last_stage(&fixture)?)?);
    complaints.extend(compare_places(&fixture, places(&fixture)?)?);
    assert_eq!(complaints, [""; 0]);
    Ok(())
}
