//! A lab with a container engine on its device, and what must be true of pulls there.

use anyhow::{Context, Result, ensure};
use lab::{
    CONTOSO_LOGIN, EVIL_LOGIN, MALLORY_LOGIN,
    engines::{ContainerEngine, ImageStore},
    fixtures::{fixture::Fixture, run_length::number},
    servers::{azurite::HOST, registry::IMAGE},
    topology::{addresses::STORAGE, cgroup::Cgroup},
};

use crate::events::Place;

pub(crate) const STREAM: &str = env!("CARGO_BIN_EXE_egress-stream");
/// Judgement at the network devices, besides that of sockets.
pub(crate) const FRAMES: &str = "[frames]\nmode = \"on\"\n";
/// The variable with the number of pulls, and the number without it.
const PULLS: (&str, u32) = ("EGRESS_LAB_PULLS", 10);
/// Names that a client may not reach, with their addresses and the reasons.
pub(crate) const DENIED: [(&str, ([&str; 2], &str)); 3] = [
    (
        EVIL_LOGIN,
        (["198.51.100.50", "2001:db8:acc::50"], "registry"),
    ),
    (
        MALLORY_LOGIN,
        (["198.51.100.10", "2001:db8:acc::10"], "server-name-unknown"),
    ),
    (HOST, (["203.0.113.66", "2001:db8:b10b::66"], "storage")),
];
/// The message of `EPERM` in Go.
const REFUSAL: &str = "operation not permitted";
/// Front ends of the bad actor's registry.
const EVIL_FRONT_ENDS: [&str; 2] = ["198.51.100.50/32", "2001:db8:acc::50/128"];

/// The lab, its daemon, and an engine whose processes are in scope. Fields are dropped in order.
pub(crate) struct Scene<E> {
    pub(crate) engine: E,
    _cgroup: Cgroup,
    pub(crate) fixture: Fixture,
}

/// Returns contoso's image.
pub(crate) fn contoso() -> String {
    format!("{CONTOSO_LOGIN}/{IMAGE}")
}

/// Returns the number of pulls in each test.
pub(crate) fn pulls() -> Result<u32> {
    pulls_or(PULLS.1)
}

/// Returns the number of pulls that the variable says, or `default`.
pub(crate) fn pulls_or(default: u32) -> Result<u32> {
    number(PULLS.0, default)
}

impl<E: ContainerEngine> Scene<E> {
    pub(crate) fn start() -> Result<Self> {
        let fixture = Fixture::start(STREAM, FRAMES)?;
        let cgroup = fixture.lab.device_cgroup().child("engine")?;
        Ok(Self {
            engine: E::start(&fixture.lab, &cgroup)?,
            _cgroup: cgroup,
            fixture,
        })
    }

    /// Checks that the engine pulls contoso's image each time, its layers from the data endpoint, and no image from a bad actor.
    pub(crate) fn check_pulls_by(&self, engine: &impl ImageStore) -> Result<()> {
        let image = contoso();
        for number in 1..=pulls()? {
            let before = self.layers_served()?;
            let log = || format!("pull {number}: {}", self.fixture.enforcer.log());
            engine.pull(&image).with_context(log)?;
            ensure!(self.layers_served()? > before, "no layer by a redirect");
            engine.remove(&image)?;
        }
        // mallory's registry has an address of contoso's, where a connection ends by a time limit only.
        for (host, denied) in DENIED.iter().filter(|(host, _)| *host != MALLORY_LOGIN) {
            let pull = self.reported(|| Ok(engine.pull(&format!("{host}/{IMAGE}"))))?;
            let error = pull.value.as_ref().err().map(|error| format!("{error:#}"));
            let is_refused = error.as_ref().is_some_and(|error| error.contains(REFUSAL));
            ensure!(is_refused, "{host}: {error:?}");
            pull.check(*denied, Place::Socket)?;
        }
        self.check_packets()
    }

    /// The number of layers that data endpoints have served.
    fn layers_served(&self) -> Result<usize> {
        let requests = self.fixture.lab.requests()?.into_iter();
        let served = |host: &str| host.starts_with("contoso.") && host.contains(".data.");
        Ok(requests
            .filter(|request| request.status == 200 && served(&request.host))
            .count())
    }

    /// Checks that no packet to the bad actor's account or registry has left the device.
    pub(crate) fn check_packets(&self) -> Result<()> {
        let counter = &self.fixture.counter;
        let leaked = [
            counter.packets_to(&STORAGE)?,
            counter.packets_to(&EVIL_FRONT_ENDS)?,
        ];
        ensure!(leaked == [0, 0], "{leaked:?} packets have left");
        Ok(())
    }
}
