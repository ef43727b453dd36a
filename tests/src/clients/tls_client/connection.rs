//! A single TLS connection of the client.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    client::Resumption,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use socket2::SockRef;

use super::{
    attempt::{Attempt, Exchange, PULL, Payload},
    large::Large,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// The client's trust anchors and TLS configurations.
pub(super) struct Trust {
    classic: Arc<ClientConfig>,
    large: Arc<ClientConfig>,
}

impl Trust {
    pub(super) fn in_file(ca: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).context("read the authority")?)?;
        Ok(Self {
            classic: config(roots.clone(), false)?,
            large: config(roots, true)?,
        })
    }

    fn begin(&self, name: &str, large: bool) -> Result<ClientConnection> {
        let config = if large { &self.large } else { &self.classic };
        begin(Arc::clone(config), name)
    }
}

/// Returns a ClientHello as in [`Payload::Handshake`]. Its random bytes and the order of its extensions vary, its length does not.
///
/// # Errors
/// When `name` is not a valid server name.
pub fn hello(name: &str, large: bool) -> Result<Vec<u8>> {
    let config = config(RootCertStore::empty(), large)?;
    first_flight(&mut begin(config, name)?)
}

fn config(roots: RootCertStore, large: bool) -> Result<Arc<ClientConfig>> {
    let mut provider = default_provider();
    if large {
        provider.kx_groups.insert(0, &Large);
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // No session tickets: each ClientHello is an initial one.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn begin(config: Arc<ClientConfig>, name: &str) -> Result<ClientConnection> {
    let name = ServerName::try_from(name.to_owned())?;
    ClientConnection::new(config, name).context("start a handshake")
}

fn first_flight(session: &mut ClientConnection) -> Result<Vec<u8>> {
    let mut hello = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut hello)?;
    }
    Ok(hello)
}

/// Resolves `host` with the C library and requests `/v2/` from the first address that accepts the connection.
pub(super) fn get(trust: &Trust, host: &str) -> Result<String> {
    let addresses = (host, 443).to_socket_addrs().context("resolve")?;
    let mut refused = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                limit(&stream, PATIENCE)?;
                return finish(trust.begin(host, false)?, stream, host, PULL);
            }
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.map_or_else(
        || anyhow::anyhow!("no address"),
        |error| anyhow::Error::from(error).context("connect"),
    ))
}

/// Sends the payload and waits for an answer. A failed connection is a result, not an error.
pub(super) fn exchange(trust: &Trust, attempt: &Attempt) -> Result<Exchange> {
    let stream = TcpStream::connect_timeout(&attempt.to, PATIENCE).context("connect")?;
    let mut exchange = Exchange {
        from: stream.local_addr()?,
        length: 0,
        cuts: attempt.cuts.clone(),
        answer: None,
        error: None,
    };
    limit(&stream, Duration::from_millis(attempt.patience))?;
    // Closing discards unsent data.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    match answer(trust, attempt, stream, &mut exchange) {
        Ok(answer) => exchange.answer = Some(answer),
        Err(error) => exchange.error = Some(format!("{error:#}")),
    }
    Ok(exchange)
}

fn answer(
    trust: &Trust,
    attempt: &Attempt,
    mut stream: TcpStream,
    exchange: &mut Exchange,
) -> Result<String> {
    match &attempt.payload {
        Payload::Bytes(bytes) => {
            exchange.length = bytes.len();
            write_segments(&mut stream, bytes, &attempt.cuts)?;
            let length = stream.read(&mut [0; 512]).context("wait for an answer")?;
            ensure!(length > 0, "closed");
            Ok("bytes".to_owned())
        }
        Payload::Handshake {
            name,
            large,
            request,
        } => {
            let mut session = trust.begin(name, *large)?;
            let hello = first_flight(&mut session)?;
            exchange.length = hello.len();
            write_segments(&mut stream, &hello, &attempt.cuts)?;
            finish(session, stream, name, request)
        }
    }
}

fn write_segments(stream: &mut TcpStream, bytes: &[u8], cuts: &[usize]) -> io::Result<()> {
    let mut from = 0;
    for to in cuts.iter().copied().chain([bytes.len()]) {
        let to = to.clamp(from, bytes.len());
        stream.write_all(&bytes[from..to])?;
        from = to;
    }
    Ok(())
}

/// Completes the handshake, sends a request, and returns the status line of the answer.
fn finish(
    session: ClientConnection,
    stream: TcpStream,
    host: &str,
    request: &str,
) -> Result<String> {
    let mut stream = StreamOwned::new(session, stream);
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .context("complete the handshake")?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while !answer.contains(&b'\n') {
        let length = stream.read(&mut buffer).context("wait for an answer")?;
        if length == 0 {
            bail!("closed");
        }
        answer.extend_from_slice(&buffer[..length]);
    }
    let text = String::from_utf8_lossy(&answer);
    let status = text.lines().next().unwrap_or_default().to_owned();
    ensure!(status.starts_with("HTTP/1.1 "), "{status}");
    Ok(status)
}

/// Sets timeouts and `TCP_NODELAY`, so that a small write does not wait for an acknowledgement.
fn limit(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hello_lengths_are_constant_and_a_large_hello_has_post_quantum_size() {
        let lengths = |large| {
            let hellos = (0..5).map(|_| hello("contoso.azurecr.io", large).unwrap().len());
            hellos.collect::<std::collections::BTreeSet<_>>()
        };
        let (classic, large) = (lengths(false), lengths(true));
        assert_eq!((classic.len(), large.len()), (1, 1));
        assert!(classic.first().unwrap() < &400, "{classic:?}");
        assert!(large.first().unwrap() > &1400, "{large:?}");
        let shares =
            crate::clients::captured_hello::key_shares(&hello("contoso.azurecr.io", true).unwrap());
        assert_eq!(shares, Some(vec![0xfe30, 29]));
    }
}
