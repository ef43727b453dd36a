//! podman, and clients in its containers.

use anyhow::{Context as _, Result};
use lab::engines::{ImageStore as _, Podman};

use crate::{
    containers::PUBLISHED,
    events::Place,
    scene::{Scene, contoso},
};

#[test]
fn podman_and_its_containers_pull_from_contoso_only() -> Result<()> {
    let scene = Scene::<Podman>::start()?;
    scene.check_pulls_by(&scene.engine)?;
    scene.engine.pull(&contoso())?;
    scene.engine.podman(&["network", "create", "own"])?;
    let networks: [(&[&str], Place); 3] = [
        (&[], Place::Socket),
        (&[], Place::Device),
        (&["--network=own"], Place::Device),
    ];
    for (network, place) in networks {
        let context = || format!("{network:?}, {place:?}");
        scene.check_client(network, place).with_context(context)?;
    }
    let [outer, inner] = PUBLISHED;
    scene.check_server(&[&format!("--publish={outer}:{inner}")])
}
