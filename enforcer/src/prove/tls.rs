//! ClientHellos to allowed addresses: one for the allowed name is answered, one for another name is not.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use jiff::Timestamp;

use super::in_force::InForce;
use super::reported::{FIX as NOT_REPORTED, is_reported};
use crate::bpf::client_hello;
use crate::config::Sni;
use crate::core::{EventRecord, NameStatus, RegistryStatus};
use crate::doctor::Check;

/// A name that no registry has: it is longer than a registry's name may be (50 characters).
const FOREIGN: &str = "a-name-that-egress-enforcer-made-up-for-a-proof-of-refusal.azurecr.io";
/// Maximum wait for a connection, and then for the first byte of an answer.
const TIMEOUT: Duration = Duration::from_secs(3);
const HTTPS: u16 = 443;
/// Maximum number of names of one registry that are tried: the login server and a data endpoint.
const MOST_NAMES: usize = 2;

/// Tries the allowed names.
pub(super) fn own_names(in_force: &InForce) -> Vec<Check> {
    let Some(status) = &in_force.status else {
        return vec![unknown(
            "an allowed name",
            "no daemon runs, so its addresses are not known",
        )];
    };
    let registries = status.registries.iter();
    registries
        .flat_map(|registry| registry.names.iter().take(MOST_NAMES))
        .map(own_name)
        .collect()
}

/// Tries a foreign name at an address of each registry.
pub(super) fn foreign_names(in_force: &InForce) -> Vec<Check> {
    let registries = in_force.status.iter().flat_map(|status| &status.registries);
    registries
        .map(|registry| foreign_name(in_force, registry))
        .collect()
}

fn own_name(status: &NameStatus) -> Check {
    let name = status.name.as_str();
    let id = format!("{name}: TLS");
    let Some(address) = address_of(status) else {
        return Check::new(
            &id,
            false,
            "it has no allowed address",
            "run `egress-enforcer status`: it says why the name does not resolve",
        );
    };
    let fix = "run `egress-enforcer doctor --registry`, which names the cause";
    match answers(address, name) {
        Ok(true) => Check::new(&id, true, format!("{address}: answered"), ""),
        Ok(false) => Check::new(
            &id,
            false,
            format!("{address}: no answer to a ClientHello"),
            fix,
        ),
        Err(error) => Check::new(&id, false, format!("{address}: {error}"), fix),
    }
}

fn foreign_name(in_force: &InForce, registry: &RegistryStatus) -> Check {
    let id = format!(
        "another server name at an address of {}",
        registry.login_server
    );
    let address = registry.names.iter().find_map(address_of);
    let Some(address) = address else {
        return unknown(&id, "it has no allowed address");
    };
    if registry.sni == Sni::Off {
        return unknown(
            &id,
            "sni = \"off\": its connections are not held to its names",
        );
    }
    let fix = "run `egress-enforcer status` and `egress-enforcer doctor`";
    let judged = in_force.sources.effective_address(address).to_canonical();
    let since = Timestamp::now();
    let fits = |event: &EventRecord| {
        let destination = event.destination.map(|to| to.to_canonical());
        event.server_name.as_deref() == Some(FOREIGN)
            && destination == Some(judged)
            && event.is_of_proof()
    };
    match answers(address, FOREIGN) {
        Ok(true) => Check::new(&id, false, format!("{address}: answered"), fix),
        Ok(false) if is_reported(in_force, since, fits) => {
            Check::new(&id, true, format!("{address}: refused, and reported"), fix)
        }
        Ok(false) => Check::unknown(
            &id,
            format!("{address}: no answer, but the daemon reports no denial"),
            NOT_REPORTED,
        ),
        Err(error) => unknown(&id, &format!("{address} cannot be reached: {error}")),
    }
}

fn unknown(id: &str, why: &str) -> Check {
    Check::unknown(
        id,
        why,
        "run it again while the daemon runs and the registry is reachable",
    )
}

/// Returns an allowed address, an IPv4 one if there is one.
fn address_of(status: &NameStatus) -> Option<IpAddr> {
    let addresses = || status.addresses.iter().map(|one| one.address);
    addresses()
        .find(IpAddr::is_ipv4)
        .or_else(|| addresses().next())
}

/// Sends a ClientHello for `name`; returns whether the peer sends or closes anything.
///
/// # Errors
/// If no connection is made.
fn answers(address: IpAddr, name: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, HTTPS), TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(&client_hello(name))?;
    match stream.read(&mut [0]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Ok(_) | Err(_) => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn the_foreign_name_is_no_registrys() {
        let registry = FOREIGN.strip_suffix(".azurecr.io").unwrap();
        assert!(registry.len() > 50 && registry.len() < 64);
        assert!(FOREIGN.parse::<crate::name::Name>().is_ok());
    }

    #[test]
    fn a_peer_that_sends_or_closes_has_answered() {
        // Port 443 of a loopback address of its own; without the right to bind it, the connection is refused.
        let address = "127.103.7.1".parse().unwrap();
        let Ok(server) = TcpListener::bind((address, HTTPS)) else {
            eprintln!("NOT RUN: port 443 cannot be bound");
            return;
        };
        let closing = thread::spawn(move || drop(server.accept().unwrap()));
        assert!(answers(address, "contoso.azurecr.io").unwrap());
        closing.join().unwrap();
        assert!(answers(address, "contoso.azurecr.io").is_err());
    }
}
