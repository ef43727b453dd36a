//! Connects to a server, with TLS or within this host.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::roots::Roots;
use super::url::Security;
use super::{HttpsError, Url};
use crate::name::Name;

/// Timeout of a connection attempt before the next address is tried.
const CONNECT: Duration = Duration::from_secs(5);

/// A connection to a server, with TLS or within this host.
pub(super) enum Stream {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

/// Connects to the first of `addresses` that accepts a connection, or to the URL's own addresses. After a rejected certificate no other
/// address is tried: the problem is the server or the trusted roots, not the network.
pub(super) async fn connect(
    url: &Url,
    addresses: &[IpAddr],
    roots: &Roots,
) -> Result<Stream, HttpsError> {
    let (addresses, tls) = match url.security() {
        Security::Plain(own) => (own.as_slice(), None),
        Security::Tls(name) => (addresses, Some((name, roots.config()?))),
    };
    let mut last = HttpsError::NoAddress {
        host: url.host().to_owned(),
    };
    for address in addresses {
        let result = match &tls {
            None => tcp(url, *address).await.map(Stream::Plain),
            Some((name, config)) => encrypted(url, *address, name, config).await,
        };
        match result {
            Err(refused @ HttpsError::Certificate { .. }) => return Err(refused),
            Err(error) => last = error,
            Ok(stream) => return Ok(stream),
        }
    }
    Err(last)
}

async fn tcp(url: &Url, address: IpAddr) -> Result<TcpStream, HttpsError> {
    let connected = timeout(
        CONNECT,
        TcpStream::connect(SocketAddr::new(address, url.port())),
    )
    .await;
    connected
        .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| HttpsError::Connect {
            host: url.host().to_owned(),
            address,
            source,
        })
}

async fn encrypted(
    url: &Url,
    address: IpAddr,
    name: &Name,
    config: &Arc<ClientConfig>,
) -> Result<Stream, HttpsError> {
    let host = || url.host().to_owned();
    let stream = tcp(url, address).await?;
    let name = ServerName::try_from(name.as_str().to_owned()).map_err(|error| {
        HttpsError::Certificate {
            host: host(),
            problem: error.to_string(),
        }
    })?;
    let connector = TlsConnector::from(Arc::clone(config));
    let stream = timeout(CONNECT, connector.connect(name, stream)).await;
    stream
        .unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))
        .map(|stream| Stream::Tls(Box::new(stream)))
        .map_err(|source| match refusal(&source) {
            Some(problem) => HttpsError::Certificate {
                host: host(),
                problem,
            },
            None => HttpsError::Tls {
                host: host(),
                address,
                source,
            },
        })
}

/// Returns what is wrong with the server's certificate, if that ended the handshake.
fn refusal(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    if let rustls::Error::InvalidCertificate(problem) = inner {
        return Some(problem.to_string());
    }
    None
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
