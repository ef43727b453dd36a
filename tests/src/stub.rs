//! A local stub resolver on the device, as many hosts run one: dnsmasq at 127.0.0.53.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;

use crate::{
    Lab,
    dns::Kind,
    place::Place,
    process::Server,
    world::{RESOLVER_V4, RESOLVER_V6},
};

/// Where it listens, port 53.
pub const STUB: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// The running stub.
#[derive(Debug)]
pub struct Stub {
    server: Server,
    resolv_conf: PathBuf,
}

impl Stub {
    /// Starts it in `place` and waits until it answers. A lab's device has room for one.
    ///
    /// # Errors
    /// When it does not come up within 10 s.
    pub fn start(lab: &Lab, place: &Place) -> Result<Self> {
        let resolv_conf = lab
            .scratch()
            .file("stub-resolv.conf", format!("nameserver {STUB}\n"))?;
        let mut command = lab.cache().debian(place, "usr/sbin/dnsmasq");
        // It stays root: the kernel forgets "die with the parent" when a process changes its user.
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--user=root",
            "--pid-file=",
        ]);
        command.args([
            "--log-facility=-",
            "--no-hosts",
            "--no-resolv",
            "--bind-interfaces",
        ]);
        command.arg(format!("--listen-address={STUB}"));
        command
            .arg(format!("--server={RESOLVER_V4}"))
            .arg(format!("--server={RESOLVER_V6}"));
        let mut server = Server::start("dnsmasq", command, lab.dir())?;
        server.await_ready(Duration::from_secs(10), || {
            let stub = SocketAddr::from((IpAddr::V4(STUB), 53));
            let answer =
                lab.dns()
                    .ask_at(stub, lab.world().device(), "contoso.azurecr.io", Kind::A);
            answer.is_ok_and(|answer| !answer.addresses.is_empty())
        })?;
        Ok(Self {
            server,
            resolv_conf,
        })
    }

    /// `place`, a device's place, with its lookups sent to the stub.
    ///
    /// # Errors
    /// When `/etc/resolv.conf` does not exist.
    pub fn used_in(&self, place: Place) -> Result<Place> {
        place.with_bind(&self.resolv_conf, Path::new("/etc/resolv.conf"))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }
}
