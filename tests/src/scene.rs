//! A lab with the daemon in it, a stream of connections, and an eye on the wire.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    Lab,
    enforcer::{Enforcer, configuration},
    place::Place,
    stream::{Plan, Stream, Totals},
    wire::Wire,
};

/// Rounds a second. Each makes a connection to contoso, four to the bad actor, and sends it four datagrams: more than 1,000 connections a
/// second, and 880 datagrams.
pub const RATE: u32 = 220;
/// The bad actor's account and registry, as [`Plan::of_the_lab`] tries them.
pub const EVIL: [&str; 4] = [
    "203.0.113.66/32",
    "2001:db8:b10b::66/128",
    "198.51.100.50/32",
    "2001:db8:acc::50/128",
];

/// Everything at once. Fields are dropped in order.
#[derive(Debug)]
pub struct Scene {
    /// What crosses the link.
    pub wire: Wire,
    /// The daemon.
    pub enforcer: Enforcer,
    /// What both stand in.
    pub lab: Lab,
    streamer: PathBuf,
}

impl Scene {
    /// A lab in which the daemon is in force, contoso open in eastus, and `more` at the end of its configuration.
    /// `streamer` is the binary `egress-stream`.
    ///
    /// # Errors
    /// When something does not start.
    pub fn start(streamer: &str, more: &str) -> Result<Self> {
        let mut scene = Self::prepare(streamer, more)?;
        scene.enforcer.run()?;
        scene.enforcer.await_names()?;
        Ok(scene)
    }

    /// As [`Scene::start`], with the daemon still to start.
    ///
    /// # Errors
    /// When the lab does not start.
    pub fn prepare(streamer: &str, more: &str) -> Result<Self> {
        let lab = Lab::start()?;
        Ok(Self {
            enforcer: Enforcer::prepare(&lab, &["eastus"], more)?,
            wire: Wire::watch(lab.world())?,
            streamer: PathBuf::from(streamer),
            lab,
        })
    }

    /// A stream of the device's connections to contoso and to the bad actor.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn stream(&self) -> Result<Stream> {
        Stream::start(&self.streamer, &self.lab.device(), &Plan::of_the_lab(RATE))
    }

    /// What one second of `plan` in `place` comes to.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn one_second(&self, place: &Place, plan: &Plan) -> Result<Totals> {
        let stream = Stream::start(&self.streamer, place, plan)?;
        thread::sleep(Duration::from_secs(1));
        stream.end()
    }

    /// Fails unless a second of the device's stream is [`Scene::check`]ed without a fault.
    ///
    /// # Errors
    /// Says what went wrong.
    pub fn check_for_a_second(&self) -> Result<()> {
        self.check(&self.one_second(&self.lab.device(), &Plan::of_the_lab(RATE))?)
    }

    /// Fails unless everything that was to be refused was, everything else was answered without a lost packet, and the wire agrees.
    ///
    /// # Errors
    /// Says what went wrong, with the daemon's log.
    pub fn check(&self, totals: &Totals) -> Result<()> {
        let leaked = self.wire.packets_to(&EVIL)?;
        let flawless = totals.failed.is_empty() && totals.passed.is_empty();
        ensure!(
            flawless && totals.retransmitted == 0 && leaked == 0,
            "{leaked} packets to the bad actor; {totals:#?}\n{}",
            self.enforcer.log()
        );
        ensure!(
            totals.answered > 20 && totals.refused > 200,
            "too few to judge: {totals:#?}"
        );
        Ok(())
    }

    /// Fails unless contoso's image can be pulled and nothing uploaded to the bad actor's account.
    ///
    /// # Errors
    /// Says what went wrong.
    pub fn pull_works_and_evil_does_not(&self) -> Result<()> {
        self.lab.pull()?;
        let upload = self.lab.exfiltrate_curl(&self.lab.device())?;
        ensure!(!upload.ok, "{upload:?}");
        Ok(())
    }

    /// Whether the device can open connections to port 443 of `address`.
    ///
    /// # Errors
    /// When some succeed and some do not.
    pub fn reaches(&self, address: &str) -> Result<bool> {
        self.reaches_from(&self.lab.device(), address)
    }

    /// As [`Scene::reaches`], from `place`.
    ///
    /// # Errors
    /// As [`Scene::reaches`].
    pub fn reaches_from(&self, place: &Place, address: &str) -> Result<bool> {
        let plan = Plan {
            allowed: vec![(address.parse::<std::net::IpAddr>()?, 443).into()],
            protected: Vec::new(),
            rate: RATE,
        };
        let totals = self.one_second(place, &plan)?;
        ensure!(
            (totals.answered == 0) != totals.failed.is_empty(),
            "{address}: {totals:?}"
        );
        Ok(totals.answered > 0)
    }

    /// The configuration with contoso in `regions`, and `more` at its end.
    #[must_use]
    pub fn configuration(&self, regions: &[&str], more: &str) -> String {
        configuration(&self.lab, &self.lab.dir().join("enforcer"), regions, more)
    }

    /// Has the daemon read another configuration, and waits until its status shows that it did.
    ///
    /// # Errors
    /// When it does not.
    pub fn reload(&self, configuration: &str, taken: impl Fn(&Value) -> bool) -> Result<Value> {
        self.enforcer.configure(configuration)?;
        self.enforcer.signal(libc::SIGHUP)?;
        self.enforcer.await_status("the new configuration", taken)
    }

    /// Changes the device's `/etc/resolv.conf`, which the daemon sees as well.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_resolver(&self, address: &str) -> Result<()> {
        let file = self.lab.dir().join("device-resolv.conf");
        fs::write(file, format!("nameserver {address}\n")).context("change resolv.conf")
    }

    /// The directory of the pins.
    #[must_use]
    pub fn pins(&self) -> PathBuf {
        self.lab.bpffs().join("pins")
    }

    /// The file with the lab's service tags.
    #[must_use]
    pub fn service_tags(&self) -> &Path {
        self.lab.world().service_tags()
    }
}
