//! The places that images are pulled from: the host, and two containers of Docker.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use lab::{
    Lab,
    clients::stream::{Plan, Stream, Totals},
    engines::{
        Container, ContainerEngine as _, Containerd, Docker, ImageStore, Podman, Site, Skopeo,
    },
    fixtures::{fixture::Fixture, process_env::ProcessEnv, server::Server},
    topology::{cgroup::Cgroup, netns::Netns},
};

use crate::{docker::MACVLAN, events};

/// The image of both containers, which shares no layer with what is pulled; tar(5) ends with two empty blocks.
const EMPTY_IMAGE: &str = "empty:1";
const EMPTY_ARCHIVE: usize = 1024;
/// Rounds per second of attempts at foreign addresses.
const RATE: u32 = 10;

/// A network namespace that images are pulled from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The device's own, where sockets are judged.
    Host,
    /// That of a container on Docker's bridge, whose frames are judged at the device.
    Bridge,
    /// That of a container on MACVLAN, whose frames are judged at the device.
    Macvlan,
}

impl Place {
    pub(crate) const ALL: [Self; 3] = [Self::Host, Self::Bridge, Self::Macvlan];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Bridge => "bridge container",
            Self::Macvlan => "MACVLAN container",
        }
    }

    const fn suffix(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Bridge => "bridge",
            Self::Macvlan => "macvlan",
        }
    }

    const fn network(self) -> &'static str {
        match self {
            Self::Host => "--network=host",
            Self::Bridge => "--network=bridge",
            Self::Macvlan => "--network=neighbours",
        }
    }
}

/// Two containers of one Docker, whose network namespaces others use.
pub(crate) struct Containers {
    _servers: Vec<Server>,
    docker: Docker,
    outside: Cgroup,
    inside: Cgroup,
}

impl Containers {
    /// Starts Docker and both containers.
    pub(crate) fn start(lab: &Lab) -> Result<Self> {
        let inside = lab.device_cgroup().child("engine")?;
        let docker = Docker::start(lab, &inside)?;
        let archive = lab.dir().join("empty.tar");
        fs::write(&archive, [0; EMPTY_ARCHIVE]).context("make an image")?;
        docker.docker(&["import", &archive.to_string_lossy(), EMPTY_IMAGE])?;
        docker.docker(&MACVLAN)?;
        let mut servers = Vec::new();
        for place in [Place::Bridge, Place::Macvlan] {
            servers.push(docker.start_container(&Container {
                image: EMPTY_IMAGE,
                network: &[place.network(), &format!("--name={}", place.suffix())],
                cgroup: events::Place::Device.cgroup(),
                read_only: &[],
                directory: lab.dir(),
                command: &["sleep", "infinity"].map(str::to_owned),
            })?);
        }
        Ok(Self {
            _servers: servers,
            docker,
            outside: lab.cgroup().child("pulls")?,
            inside,
        })
    }

    /// The environment of processes at a place: those of containers are in no scope.
    pub(crate) fn env(&self, lab: &Lab, place: Place) -> Result<ProcessEnv> {
        if place == Place::Host {
            return Ok(lab.device_in(&self.inside));
        }
        let netns = self.docker.network_of(place.suffix())?;
        let host = lab.network().device();
        let is_own = netns.inode() != host.inode() && netns.inode() != machine()?;
        ensure!(is_own, "{place:?} has no network of its own");
        Ok(netns.instead_in(lab.device_in(&self.outside)))
    }
}

fn machine() -> Result<u64> {
    Ok(Netns::of_this_process()?.inode())
}

/// Everything that pulls from one place, by its name.
pub(crate) type Engines<'a> = Vec<(&'static str, Box<dyn ImageStore + 'a>)>;

/// Starts engines at a place; on the host, the containers' Docker pulls.
pub(crate) fn engines<'a>(
    lab: &'a Lab,
    containers: &'a Containers,
    place: Place,
    env: ProcessEnv,
) -> Result<Engines<'a>> {
    let site = Site {
        lab,
        name: place.suffix(),
        env,
        has_networks: false,
    };
    let context = || format!("start an engine, {place:?}");
    let docker: Box<dyn ImageStore + 'a> = match place {
        Place::Host => Box::new(&containers.docker),
        Place::Bridge | Place::Macvlan => Box::new(Docker::start_at(&site).with_context(context)?),
    };
    Ok(vec![
        ("Docker", docker),
        (
            "containerd",
            Box::new(Containerd::start_at(&site).with_context(context)?),
        ),
        (
            "podman",
            Box::new(Podman::start_at(&site).with_context(context)?),
        ),
        ("skopeo", Box::new(Skopeo::new(&site)?)),
    ])
}

/// Attempts at the bad actor's account and registry from one place, all the time.
pub(crate) struct Attempts {
    place: Place,
    stream: Stream,
}

impl Attempts {
    /// Starts them.
    pub(crate) fn start(fixture: &Fixture, place: Place, env: &ProcessEnv) -> Result<Self> {
        let mut plan = Plan::lab_default(RATE);
        plan.allowed.clear();
        Ok(Self {
            place,
            stream: fixture.stream_of(env, &plan)?,
        })
    }

    /// Ends them, checks that sockets on the host refused all, and returns their number. Whether any arrived is for the far side to say.
    pub(crate) fn end(self) -> Result<u64> {
        let place = self.place;
        let Totals {
            refused, passed, ..
        } = self.stream.end()?;
        let made = refused + passed.values().sum::<u64>();
        let is_refused = passed.is_empty() == (place == Place::Host);
        ensure!(made > 0 && is_refused, "{place:?}: {refused}, {passed:?}");
        Ok(made)
    }
}
