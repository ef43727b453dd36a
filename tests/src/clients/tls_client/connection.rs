//! One connection.

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

use super::{PULL, Said, Say, What, large::Large};

const PATIENCE: Duration = Duration::from_secs(10);

/// What a client trusts and offers.
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

/// The ClientHello that a [`What::Handshake`] begins with. Its random bytes and the order of its extensions change, its length does not.
///
/// # Errors
/// When `name` is no server's name.
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
    // Without tickets of earlier connections: each hello is a first one.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

fn begin(config: Arc<ClientConfig>, name: &str) -> Result<ClientConnection> {
    let name = ServerName::try_from(name.to_owned())?;
    ClientConnection::new(config, name).context("begin a handshake")
}

fn first_flight(session: &mut ClientConnection) -> Result<Vec<u8>> {
    let mut hello = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut hello)?;
    }
    Ok(hello)
}

/// Resolves `host` as a program does, and asks the first address that takes the connection for `/v2/`.
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

/// Says what is to be said, and listens; a connection that fails is a result.
pub(super) fn converse(trust: &Trust, say: &Say) -> Result<Said> {
    let stream = TcpStream::connect_timeout(&say.to, PATIENCE).context("connect")?;
    let mut said = Said {
        from: stream.local_addr()?,
        length: 0,
        cuts: say.cuts.clone(),
        answer: None,
        error: None,
    };
    limit(&stream, Duration::from_millis(say.patience))?;
    // What is still to be sent at the end is given up.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    match answer(trust, say, stream, &mut said) {
        Ok(answer) => said.answer = Some(answer),
        Err(error) => said.error = Some(format!("{error:#}")),
    }
    Ok(said)
}

fn answer(trust: &Trust, say: &Say, mut stream: TcpStream, said: &mut Said) -> Result<String> {
    match &say.what {
        What::Bytes(bytes) => {
            said.length = bytes.len();
            write_pieces(&mut stream, bytes, &say.cuts)?;
            let length = stream.read(&mut [0; 512]).context("wait for an answer")?;
            ensure!(length > 0, "closed");
            Ok("bytes".to_owned())
        }
        What::Handshake {
            name,
            large,
            request,
        } => {
            let mut session = trust.begin(name, *large)?;
            let hello = first_flight(&mut session)?;
            said.length = hello.len();
            write_pieces(&mut stream, &hello, &say.cuts)?;
            finish(session, stream, name, request)
        }
    }
}

fn write_pieces(stream: &mut TcpStream, bytes: &[u8], cuts: &[usize]) -> io::Result<()> {
    let mut from = 0;
    for to in cuts.iter().copied().chain([bytes.len()]) {
        let to = to.clamp(from, bytes.len());
        stream.write_all(&bytes[from..to])?;
        from = to;
    }
    Ok(())
}

/// Completes the handshake and makes a request; the status line of the answer.
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
    .context("shake hands")?;
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

/// Nor waits a small write for the acknowledgement of the one before it.
fn limit(stream: &TcpStream, patience: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_hello_is_of_post_quantum_size_and_every_hello_of_a_kind_is_as_long() {
        let lengths = |large| {
            let hellos = (0..5).map(|_| hello("contoso.azurecr.io", large).unwrap().len());
            hellos.collect::<std::collections::BTreeSet<_>>()
        };
        let (classic, large) = (lengths(false), lengths(true));
        assert_eq!((classic.len(), large.len()), (1, 1));
        assert!(classic.first().unwrap() < &400, "{classic:?}");
        assert!(large.first().unwrap() > &1400, "{large:?}");
        let shares = crate::hello::shares(&hello("contoso.azurecr.io", true).unwrap());
        assert_eq!(shares, Some(vec![0xfe30, 29]));
    }
}
