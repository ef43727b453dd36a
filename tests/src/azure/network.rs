//! The stand-in's network namespace behind the cloud's, with addresses that the cloud routes there and names in the lab's DNS.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::Service;
use crate::{Lab, topology::netns::Netns};

/// Azure Resource Manager.
pub const MANAGER_HOST: &str = "management.azure.com";
/// Entra.
pub const LOGIN_HOST: &str = "login.microsoftonline.com";
/// The web server that mirrors the service-tags file.
pub const MIRROR_HOST: &str = "mirror.example.org";

/// The metadata service of a virtual machine.
const IMDS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);
/// The agent of Azure Arc, on the device.
const AGENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40342);
/// TTL of the names in seconds.
const TTL: u32 = 60;

/// Returns the addresses of a service with a name. The policy treats them as global, and they are unused on the Internet: the IPv4 ones
/// since the deprecation of 6to4 relays (RFC 7526), the IPv6 ones since the end of the 6bone (RFC 3701).
#[must_use]
pub fn address_of(service: Service) -> Option<[IpAddr; 2]> {
    let last = match service {
        Service::ResourceManager => 1,
        Service::Entra => 2,
        Service::Mirror => 3,
        Service::Imds | Service::Arc => return None,
    };
    Some([
        Ipv4Addr::new(192, 88, 99, last).into(),
        Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0xa, last.into()).into(),
    ])
}

/// The namespace and the agent's directory.
#[derive(Debug)]
pub(super) struct AzureNetwork {
    netns: Netns,
    device: Netns,
    var_opt: PathBuf,
    tokens: PathBuf,
}

impl AzureNetwork {
    pub(super) fn new(lab: &Lab) -> Result<Self> {
        let netns = Netns::new()?;
        let cloud = lab.network().cloud();
        cloud.ip(&cloud_lines(&netns.path()))?;
        cloud.run(forward)?;
        netns.ip(&lines())?;
        for (service, host) in [
            (Service::ResourceManager, MANAGER_HOST),
            (Service::Entra, LOGIN_HOST),
            (Service::Mirror, MIRROR_HOST),
        ] {
            let addresses = address_of(service).context("a service with a name")?;
            lab.dns().set_addresses(host, &addresses, TTL)?;
        }
        let var_opt = lab.scratch().dir("var-opt")?;
        let tokens = var_opt.join("azcmagent/tokens");
        fs::create_dir_all(&tokens).context("create the agent's tokens directory")?;
        Ok(Self {
            netns,
            device: lab.network().device().clone(),
            var_opt,
            tokens,
        })
    }

    /// Returns the namespace and the addresses with ports at which `service` listens.
    pub(super) fn of(&self, service: Service) -> (&Netns, Vec<SocketAddr>) {
        match service {
            Service::Imds => (&self.netns, vec![IMDS]),
            Service::Arc => (&self.device, vec![AGENT]),
            Service::ResourceManager | Service::Entra | Service::Mirror => {
                let addresses = address_of(service).into_iter().flatten();
                let at_443 = addresses.map(|address| (address, 443).into());
                (&self.netns, at_443.collect())
            }
        }
    }

    pub(super) fn var_opt(&self) -> &Path {
        &self.var_opt
    }

    pub(super) fn tokens_dir(&self) -> &Path {
        &self.tokens
    }
}

/// The prefixes that the cloud routes to the stand-in.
const ROUTED: [&str; 3] = ["192.88.99.0/24", "3ffe::/16", "169.254.169.254/32"];

fn cloud_lines(netns: &Path) -> String {
    let mut lines = format!(
        "link add azure0 type veth peer name eth0 netns {}\n\
         address add 10.54.0.1/24 dev azure0\n\
         address add fd54::1/64 dev azure0 nodad\n\
         link set azure0 up\n",
        netns.display()
    );
    for prefix in ROUTED {
        let via = if prefix.contains(':') {
            "fd54::2"
        } else {
            "10.54.0.2"
        };
        lines.push_str(&format!("route add {prefix} via {via}\n"));
    }
    lines
}

fn lines() -> String {
    let mut lines = "link set lo up\n\
         address add 10.54.0.2/24 dev eth0\n\
         address add fd54::2/64 dev eth0 nodad\n\
         link set eth0 up\n\
         route add default via 10.54.0.1\n\
         route add default via fd54::1\n"
        .to_owned();
    let named = Service::ALL.into_iter().filter_map(address_of).flatten();
    for address in named.chain([IMDS.ip()]) {
        let length = if address.is_ipv4() { 32 } else { 128 };
        lines.push_str(&format!("address add {address}/{length} dev lo\n"));
    }
    lines
}

/// Enables forwarding; `/proc/sys/net` belongs to the calling thread's network namespace.
fn forward() -> Result<()> {
    for switch in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        fs::write(Path::new("/proc/sys/net").join(switch), "1")
            .with_context(|| format!("enable {switch} in the cloud"))?;
    }
    Ok(())
}
