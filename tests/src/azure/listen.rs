//! Accepts connections, reads requests, and applies faults to the responses.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    entra,
    http::{Head, Reply},
    managed_identity, mirror,
    network::AzureNetwork,
    resource_manager,
    state::{Fault, Service, Shared},
};
use crate::{Lab, servers::certificates::Leaf};

/// Interval at which waiting threads check for the end and for faults.
const POLL: Duration = Duration::from_millis(20);
/// Read and write timeout of a connection.
const PATIENCE: Duration = Duration::from_secs(5);

type Tls = Option<Arc<ServerConfig>>;

/// Starts a thread for each address of each service.
pub(super) fn all(
    lab: &Lab,
    network: &AzureNetwork,
    shared: &Arc<Shared>,
) -> Result<Vec<JoinHandle<()>>> {
    let tls = tls(&lab.certificates().azure)?;
    let mut threads = Vec::new();
    for service in Service::ALL {
        let (netns, addresses) = network.of(service);
        for address in addresses {
            let tls = (address.port() == 443).then(|| Arc::clone(&tls));
            let shared = Arc::clone(shared);
            // A thread inherits the network namespace of the one that spawned it.
            threads.push(netns.run(move || {
                let socket = bound(address).with_context(|| format!("listen at {address}"))?;
                let name = format!("lab-{service:?}");
                let serve = move || serve(service, socket, address, &tls, &shared);
                Ok(thread::Builder::new().name(name).spawn(serve)?)
            })?);
        }
    }
    Ok(threads)
}

fn tls(leaf: &Leaf) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(&leaf.cert)
        .and_then(|certificates| certificates.collect())
        .context("read a certificate")?;
    let key = PrivateKeyDer::from_pem_file(&leaf.key).context("read a key")?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    // Also applies to accept(2) (socket(7)).
    socket.set_read_timeout(Some(POLL))?;
    socket.listen(64)?;
    Ok(socket)
}

/// Accepts connections; closes the socket while connections are to be refused.
fn serve(service: Service, socket: Socket, address: SocketAddr, tls: &Tls, shared: &Arc<Shared>) {
    let mut socket = Some(socket);
    while !shared.has_ended() {
        if shared.fault(service) == Some(Fault::Refused) {
            socket = None;
            shared.state().open.remove(&address);
            thread::sleep(POLL);
            continue;
        }
        let Some(listening) = &socket else {
            socket = bound(address).ok();
            continue;
        };
        shared.state().open.insert(address);
        let Ok((connection, _client)) = listening.accept() else {
            continue;
        };
        let (tls, shared) = (tls.clone(), Arc::clone(shared));
        let answered = move || {
            // A client that has gone away is not a failure of the stand-in.
            drop(answer(service, connection.into(), tls, &shared));
        };
        drop(thread::Builder::new().spawn(answered));
    }
}

fn answer(service: Service, mut connection: TcpStream, tls: Tls, shared: &Shared) -> Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    if shared.fault(service) == Some(Fault::HangsUp) {
        return Ok(());
    }
    let Some(tls) = tls else {
        return Ok(serve_request(service, &mut connection, shared)?);
    };
    let mut stream = StreamOwned::new(ServerConnection::new(tls)?, connection);
    serve_request(service, &mut stream, shared)?;
    if shared.fault(service) != Some(Fault::Truncated) {
        stream.conn.send_close_notify();
        stream.flush()?;
    }
    Ok(())
}

fn serve_request<S: Read + Write>(
    service: Service,
    stream: &mut S,
    shared: &Shared,
) -> io::Result<()> {
    let Some(mut head) = Head::read(stream)? else {
        return Ok(());
    };
    let fault = shared.fault(service);
    if fault == Some(Fault::Truncated) {
        // "Not modified" has no body to truncate.
        head.headers.retain(|(name, _)| name != "if-none-match");
    }
    let reply = match fault {
        Some(Fault::Status(status)) => failure(service, status),
        Some(Fault::Throttled(seconds)) => {
            failure(service, 429).with("Retry-After", seconds.to_string())
        }
        Some(Fault::NotJson) => Reply {
            status: 200,
            headers: vec![("Content-Type", "text/html".to_owned())],
            body: b"<html><body>Sign in to the network</body></html>".to_vec(),
        },
        Some(Fault::OtherJson) => Reply::json(200, &serde_json::json!({ "value": 7 })),
        Some(Fault::Slow(_) | Fault::Truncated | Fault::HangsUp | Fault::Refused) | None => {
            regular_response(service, &head, shared)
        }
    };
    shared.note(service, &head, reply.status);
    match fault {
        Some(Fault::Slow(time)) => {
            wait(service, time, shared);
            reply.send(stream, usize::MAX)
        }
        Some(Fault::Truncated) => reply.send(stream, reply.body.len() / 2),
        Some(
            Fault::Status(_)
            | Fault::Throttled(_)
            | Fault::NotJson
            | Fault::OtherJson
            | Fault::HangsUp
            | Fault::Refused,
        )
        | None => reply.send(stream, usize::MAX),
    }
}

/// Waits for `time`, or until the fault is removed.
fn wait(service: Service, time: Duration, shared: &Shared) {
    let until = Instant::now() + time;
    let is_slow = || matches!(shared.fault(service), Some(Fault::Slow(_)));
    while Instant::now() < until && is_slow() && !shared.has_ended() {
        thread::sleep(POLL);
    }
}

fn regular_response(service: Service, head: &Head, shared: &Shared) -> Reply {
    match service {
        Service::ResourceManager => resource_manager::answer(head, &mut shared.state()),
        Service::Entra => entra::answer(head, &mut shared.state()),
        Service::Imds => managed_identity::imds(head, &mut shared.state()),
        Service::Arc => managed_identity::arc(head, &mut shared.state()),
        Service::Mirror => mirror::answer(head, &shared.state()),
    }
}

/// Returns a failure in the format of the service.
fn failure(service: Service, status: u16) -> Reply {
    match service {
        Service::ResourceManager => resource_manager::failure(status),
        Service::Entra => entra::failure(status),
        Service::Imds | Service::Arc => managed_identity::failure(status),
        Service::Mirror => Reply {
            status,
            headers: vec![("Content-Type", "text/plain".to_owned())],
            body: b"no\n".to_vec(),
        },
    }
}
