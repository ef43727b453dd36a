//! Docker, and clients in its containers.

use anyhow::{Context as _, Result};
use lab::engines::{Docker, ImageStore as _};

use crate::{
    containers::PUBLISHED,
    events::Place,
    scene::{Scene, contoso},
};

/// A network beside the device on its own link, without a bridge.
const MACVLAN: [&str; 8] = [
    "network",
    "create",
    "--driver=macvlan",
    "--opt=parent=eth0",
    "--subnet=10.53.0.0/24",
    "--gateway=10.53.0.1",
    "--ip-range=10.53.0.64/26",
    "neighbours",
];

#[test]
fn dockerd_and_its_containers_on_bridges_and_macvlan_pull_from_contoso_only() -> Result<()> {
    let scene = Scene::<Docker>::start()?;
    scene.check_pulls_by(&scene.engine)?;
    scene.engine.pull(&contoso())?;
    scene.engine.docker(&["network", "create", "own"])?;
    scene.engine.docker(&MACVLAN)?;
    let networks: [(&[&str], Place); 4] = [
        (&[], Place::Socket),
        (&[], Place::Device),
        (&["--network=own"], Place::Device),
        (&["--network=neighbours"], Place::Device),
    ];
    for (network, place) in networks {
        let context = || format!("{network:?}, {place:?}");
        scene.check_client(network, place).with_context(context)?;
    }
    let [outer, inner] = PUBLISHED;
    scene.check_server(&[&format!("--publish={outer}:{inner}")])
}
