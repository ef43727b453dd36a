//! The programs of network devices without a daemon: loaded over the maps of [`super::loaded_policy`], attached to devices of the test.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::HashMap,
    programs::{Program, SchedClassifier, TestRun as _, TestRunOptions},
};
use enforcer::bpf::DEVICE_OBJECT;
use enforcer_common::layout::{
    DEVICE_EGRESS, DEVICE_INGRESS, DEVICES, DeviceMode, LinkHeader, MAPS,
};
use serde::Deserialize;

use super::loaded_policy::LoadedPolicy;
use crate::{
    fixtures::process::{run, run_with_input},
    topology::{bpffs::Bpffs, netns::Netns},
};

/// The variable with the path of a kernel object to load instead of the one in the enforcer's crate.
const OBJECT: &str = "EGRESS_LAB_DEVICE_OBJECT";
/// Interface index of the loopback device, which a test run's packet has.
const LOOPBACK: u32 = 1;
/// Return codes of a filter: `TC_ACT_UNSPEC` and `TC_ACT_SHOT`.
const NEXT_FILTER: u32 = u32::MAX;
const DROPPED: u32 = 2;
const LIMIT: Duration = Duration::from_secs(10);

/// The loaded programs. Filters stay as long as their devices.
pub struct DevicePrograms {
    programs: Ebpf,
    filtered: BTreeSet<u32>,
    bpffs: Bpffs,
}

/// A device as `ip -json link` prints it.
#[derive(Debug, Deserialize)]
struct Link {
    ifindex: u32,
    ifname: String,
    link_type: String,
}

impl DevicePrograms {
    /// Loads the programs, and attaches none.
    ///
    /// # Errors
    /// When the kernel refuses, or the build contains no kernel object.
    pub fn load(policy: &LoadedPolicy) -> Result<Self> {
        let bpffs = Bpffs::mount(policy.scratch().dir("device-programs")?)?;
        let mut loader = EbpfLoader::new();
        for name in MAPS {
            loader.map_pin_path(name, policy.map(name));
        }
        let mut programs = match env::var_os(OBJECT) {
            Some(path) => loader.load_file(path),
            None => loader.load(DEVICE_OBJECT),
        }?;
        for (name, pin) in pins(bpffs.path()) {
            let program: Option<&mut Program> = programs.program_mut(name);
            let program: &mut SchedClassifier = program.context(name)?.try_into()?;
            program
                .load()
                .with_context(|| format!("load the program {name}"))?;
            program.pin(pin)?;
        }
        Ok(Self {
            programs,
            filtered: BTreeSet::new(),
            bpffs,
        })
    }

    /// Attaches the programs to the devices of `netns` that have none, loopback excepted.
    ///
    /// # Errors
    /// When a device takes no filter.
    pub fn attach(&mut self, netns: &Netns) -> Result<()> {
        let mut ip = netns.env().command("ip");
        ip.args(["-json", "link", "show"]);
        let links: Vec<Link> = serde_json::from_str(&run(ip, LIMIT)?.success()?)?;
        for link in links {
            if link.link_type != "loopback" && self.filtered.insert(link.ifindex) {
                self.attach_to(netns, &link)
                    .with_context(|| format!("attach to {}", link.ifname))?;
            }
        }
        Ok(())
    }

    /// Writes the entry of the loopback device, which test runs name; attaches nothing.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_loopback(&mut self, header: LinkHeader) -> Result<()> {
        self.set_entry(LOOPBACK, header)
    }

    /// Whether a frame passes the egress program in a test run.
    ///
    /// # Errors
    /// When the kernel cannot run the program.
    pub fn passes(&self, frame: &[u8]) -> Result<bool> {
        let program = self
            .programs
            .program(DEVICE_EGRESS)
            .context(DEVICE_EGRESS)?;
        let program: &SchedClassifier = program.try_into()?;
        let options = TestRunOptions {
            data_in: Some(frame),
            ..TestRunOptions::default()
        };
        match program.test_run(options)?.return_value {
            NEXT_FILTER => Ok(true),
            DROPPED => Ok(false),
            other => bail!("the program returned {other}"),
        }
    }

    fn set_entry(&mut self, device: u32, header: LinkHeader) -> Result<()> {
        let map = self.programs.map_mut(DEVICES).context(DEVICES)?;
        let mut devices: HashMap<_, u32, [u32; 2]> = HashMap::try_from(map)?;
        let entry = [header as u32, DeviceMode::Enforce as u32];
        Ok(devices.insert(&device, &entry, 0)?)
    }

    /// Writes the device's entry, then adds the filters, as the daemon does.
    fn attach_to(&mut self, netns: &Netns, link: &Link) -> Result<()> {
        let header = if link.link_type == "ether" {
            LinkHeader::Ethernet
        } else {
            LinkHeader::None
        };
        self.set_entry(link.ifindex, header)?;
        let name = &link.ifname;
        let mut lines = format!("qdisc add dev {name} clsact\n");
        for ((_, pin), side) in pins(self.bpffs.path()).iter().zip(["egress", "ingress"]) {
            let pin = pin.display();
            lines.push_str(&format!(
                "filter add dev {name} {side} bpf direct-action object-pinned {pin}\n"
            ));
        }
        let mut tc = netns.env().command("tc");
        tc.args(["-batch", "-"]);
        run_with_input(tc, &lines, LIMIT)?.success()?;
        Ok(())
    }
}

/// The programs of egress and ingress, and their pins.
fn pins(bpffs: &Path) -> [(&'static str, PathBuf); 2] {
    [DEVICE_EGRESS, DEVICE_INGRESS].map(|name| (name, bpffs.join(name)))
}
