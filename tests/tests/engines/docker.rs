//! Docker, and clients in its containers.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use lab::{
    CONTOSO_LOGIN,
    engines::{Docker, ImageStore as _},
    servers::nginx::Request,
};

use crate::{
    containers::PUBLISHED,
    events::Place,
    scene::{Scene, contoso},
};

/// A network beside the device on its own link, without a bridge.
pub(crate) const MACVLAN: [&str; 8] = [
    "network",
    "create",
    "--driver=macvlan",
    "--opt=parent=eth0",
    "--subnet=10.53.0.0/24",
    "--gateway=10.53.0.1",
    "--ip-range=10.53.0.64/26",
    "neighbours",
];

/// A bridge with addresses of both families; those of IPv6 are routed, not translated.
const DUAL_STACK: [&str; 5] = [
    "network",
    "create",
    "--ipv6",
    "--subnet=2001:db8:88::/64",
    "both-families",
];

#[test]
fn dockerd_and_its_containers_on_bridges_and_macvlan_pull_from_contoso_only() -> Result<()> {
    let mut scene = Scene::<Docker>::start()?;
    scene.check_pulls_by(&scene.engine)?;
    scene.engine.pull(&contoso())?;
    scene.engine.docker(&["network", "create", "own"])?;
    scene.engine.docker(&MACVLAN)?;
    let networks: [(&[&str], Place); 5] = [
        (&[], Place::Socket),
        (&[], Place::Device),
        (&["--network=own"], Place::Device),
        // The container's socket is still at its frames when they leave by the device.
        (&["--network=neighbours"], Place::Socket),
        (&["--network=neighbours"], Place::Device),
    ];
    for (network, place) in networks {
        let context = || format!("{network:?}, {place:?}");
        scene.check_client(network, place).with_context(context)?;
    }
    check_dual_stack(&scene)?;
    let [outer, inner] = PUBLISHED;
    scene.check_server(&[&format!("--publish={outer}:{inner}")])?;
    scene
        .check_client_without_daemon(&[], Place::Device)
        .context("without the daemon")
}

/// Checks a client on [`DUAL_STACK`], which prefers IPv6.
fn check_dual_stack(scene: &Scene<Docker>) -> Result<()> {
    scene.engine.docker(&DUAL_STACK)?;
    let lab = &scene.fixture.lab;
    let forward = || Ok(fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")?);
    lab.network().device().run(forward)?;
    lab.network()
        .cloud()
        .ip("route add 2001:db8:88::/64 via fd53::2\n")?;
    let before = lab.requests()?.len();
    scene.check_client(&["--network=both-families"], Place::Device)?;
    let requests = &lab.requests()?[before..];
    let is_by_ipv6 = |request: &Request| request.host == CONTOSO_LOGIN && request.address.is_ipv6();
    ensure!(
        requests.iter().any(is_by_ipv6),
        "no request by IPv6: {requests:#?}"
    );
    Ok(())
}
