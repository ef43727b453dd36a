//! containerd, for its client and for the kubelet, and clients in its containers.

use anyhow::Result;
use lab::engines::{Containerd, Cri, ImageStore as _};

use crate::{
    containers::PUBLISHED,
    events::Place,
    scene::{Scene, contoso},
};

#[test]
fn containerd_and_its_containers_on_a_cni_bridge_pull_from_contoso_only() -> Result<()> {
    let scene = Scene::<Containerd>::start()?;
    scene.check_pulls_by(&scene.engine)?;
    scene.check_pulls_by(&Cri::of(&scene.engine))?;
    scene.engine.pull(&contoso())?;
    let network = scene.engine.add_network("lab", PUBLISHED)?;
    for place in [Place::Socket, Place::Device] {
        scene.check_client(&[&network], place)?;
    }
    scene.check_server(&[&network])
}
