//! An HTTPS or HTTP server on 127.0.0.1 with scripted answers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::Client;

/// The address on which the servers listen.
pub(crate) const HERE: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];

/// One request as the server received it.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedRequest {
    /// Method and target, such as `GET /path?query`.
    pub(crate) line: String,
    /// The header lines, in lower case up to the colon.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl ReceivedRequest {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The server's reaction to a request.
#[derive(Clone, Debug)]
pub(crate) enum ScriptedResponse {
    /// Sends these bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Sends nothing.
    Silence,
}

/// A complete response.
pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: &str) -> ScriptedResponse {
    let mut text = format!(
        "HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    ScriptedResponse::Bytes(format!("{text}\r\n{body}").into_bytes())
}

type Script = dyn Fn(&ReceivedRequest) -> ScriptedResponse + Send + Sync;

/// A running server; it stops with the runtime.
pub(crate) struct TestServer {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
    roots: RootCertStore,
}

impl TestServer {
    /// With TLS and a certificate for `names`.
    pub(crate) async fn tls(
        names: &[&str],
        script: impl Fn(&ReceivedRequest) -> ScriptedResponse + Send + Sync + 'static,
    ) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self::start(Some(TlsAcceptor::from(Arc::new(config))), roots, script).await
    }

    /// Without TLS.
    pub(crate) async fn plain(
        script: impl Fn(&ReceivedRequest) -> ScriptedResponse + Send + Sync + 'static,
    ) -> Self {
        Self::start(None, RootCertStore::empty(), script).await
    }

    /// Creates a client that trusts this server.
    pub(crate) fn client(&self) -> Client {
        Client::trusting(self.roots.clone())
    }

    /// The requests so far.
    pub(crate) fn received(&self) -> Vec<ReceivedRequest> {
        self.received.lock().unwrap().clone()
    }

    async fn start(
        tls: Option<TlsAcceptor>,
        roots: RootCertStore,
        script: impl Fn(&ReceivedRequest) -> ScriptedResponse + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(script);
        let log = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (tls, log, script) = (tls.clone(), Arc::clone(&log), Arc::clone(&script));
                tokio::spawn(serve(stream, tls, log, script));
            }
        });
        Self {
            port,
            received,
            roots,
        }
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    log: Arc<Mutex<Vec<ReceivedRequest>>>,
    script: Arc<Script>,
) -> io::Result<()> {
    match tls {
        Some(tls) => talk(tls.accept(stream).await?, &log, &*script).await,
        None => talk(stream, &log, &*script).await,
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    log: &Mutex<Vec<ReceivedRequest>>,
    script: &Script,
) -> io::Result<()> {
    let received = read(&mut stream).await?;
    log.lock().unwrap().push(received.clone());
    match script(&received) {
        ScriptedResponse::Bytes(bytes) => {
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        }
        ScriptedResponse::Silence => std::future::pending().await,
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<ReceivedRequest> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default().replace(" HTTP/1.1", "");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut received = ReceivedRequest {
        line,
        headers,
        body: String::new(),
    };
    let length: usize = received
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < end + 4 + length {
        stream.read_buf(&mut bytes).await?;
    }
    received.body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    Ok(received)
}
