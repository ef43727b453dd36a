//! The cloud: all registries and storage accounts of the lab answer on port 443, and a resolver resolves the allowed names.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use lab::{
    servers::dns,
    topology::{
        addresses::{RESOLVER_V4, STORAGE},
        netns::Netns,
        network,
        packet_counter::PacketCounter,
    },
};

/// Contoso's login server in the lab.
const LOGIN: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, 10)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xacc, 0, 0, 0, 0, 0x10)),
];
const DATA_EASTUS: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(198, 51, 100, 130))];
const DATA_WESTUS: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(198, 51, 100, 210))];
/// A storage account.
const ACCOUNT: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(203, 0, 113, 66))];
const NAMES: dns::Names<'static> = &[
    ("contoso.azurecr.io", &LOGIN),
    ("contoso.eastus.data.azurecr.io", &DATA_EASTUS),
    ("contoso.westus.data.azurecr.io", &DATA_WESTUS),
    ("evil.blob.core.windows.net", &ACCOUNT),
];
/// Time after which a silent connection ends.
const PATIENCE: Duration = Duration::from_secs(5);
/// Interval at which the count is written.
const COUNT_EVERY: Duration = Duration::from_millis(100);

/// Creates the cloud, linked to the network namespace of process 1, and serves until it is killed. `directory/leaked` contains the
/// number of packets to storage accounts; the resolver does not answer while `directory/silent` exists; `directory/ready` is
/// created once everything runs.
pub(crate) fn serve(directory: &Path) -> Result<()> {
    let cloud = network::cloud(Path::new("/proc/1/ns/net"))?;
    let counter = PacketCounter::of(&cloud)?;
    let (front_ends, resolver) = sockets(&cloud)?;
    thread::spawn(move || {
        for client in front_ends.incoming().flatten() {
            thread::spawn(move || answer(client));
        }
    });
    let silent = directory.join("silent");
    thread::spawn(move || dns::serve(&resolver, NAMES, || silent.exists()));
    let write = |name: &str, text: &str| {
        let partial = directory.join("partial");
        fs::write(&partial, text).context("write a count")?;
        fs::rename(partial, directory.join(name)).context("write a count")
    };
    write("ready", "")?;
    loop {
        write("leaked", &format!("{}\n", counter.packets_to(&STORAGE)?))?;
        thread::sleep(COUNT_EVERY);
    }
}

fn sockets(cloud: &Netns) -> Result<(TcpListener, UdpSocket)> {
    cloud.run(|| {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 443));
        let resolver = SocketAddr::from((RESOLVER_V4, 53));
        Ok((
            TcpListener::bind(any).context("listen on port 443")?,
            UdpSocket::bind(resolver).context("listen on port 53")?,
        ))
    })
}

/// Answers any input with a line, until the client goes away or is silent.
fn answer(mut client: TcpStream) -> Option<()> {
    client.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut output = [0; 512];
    while client.read(&mut output).ok()? > 0 {
        client.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").ok()?;
    }
    Some(())
}
