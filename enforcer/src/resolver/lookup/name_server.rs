//! One name server: its sockets, and the meaning of its errors.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::{
    DnsUdpSocket, RuntimeProvider, TokioHandle, TokioRuntimeProvider, TokioTime,
};
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer};
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::{DnsRequestOptions, Message, Query, ResponseCode};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use super::query_limiter::QueryLimiter;
use crate::resolver::answer::LookupFailure;

/// Timeout of one query over one transport.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A name server with its open connections.
pub(super) struct NameServer {
    pool: NameServerPool<SocketProvider>,
}

impl NameServer {
    pub(super) fn new(
        address: SocketAddr,
        limiter: Arc<QueryLimiter>,
    ) -> Result<Self, LookupFailure> {
        let tls = TlsConfig::new().map_err(failure)?;
        let context = Arc::new(PoolContext::new(options(), tls));
        let connections = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(|protocol| {
            let mut connection = ConnectionConfig::new(protocol);
            connection.port = address.port();
            connection
        });
        let config = NameServerConfig::new(address.ip(), true, connections.into());
        let reach = SocketProvider {
            address,
            limiter,
            tokio: TokioRuntimeProvider::new(),
        };
        Ok(Self {
            pool: NameServerPool::from_config([config], context, reach),
        })
    }

    /// Queries over UDP, and over TCP when the answer is truncated or the letter case of its question differs.
    pub(super) async fn ask(&self, query: &Query, edns: bool) -> Result<Message, LookupFailure> {
        let mut options = DnsRequestOptions::default();
        options.use_edns = edns;
        let response = self.pool.lookup(query.clone(), options).first_answer();
        let message = response.await.map_err(failure)?.into_message();
        if message.queries.first() != Some(query) {
            let text = format!("the answer to \"{query}\" is for another question");
            return Err(LookupFailure::ServerFailure(text));
        }
        if matches!(
            message.response_code,
            ResponseCode::NoError | ResponseCode::NXDomain
        ) {
            return Ok(message);
        }
        Err(LookupFailure::ServerFailure(
            message.response_code.to_string(),
        ))
    }
}

fn options() -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.timeout = TIMEOUT;
    options.case_randomization = true;
    options.num_concurrent_reqs = 1;
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    options
}

fn failure(error: NetError) -> LookupFailure {
    if let NetError::Timeout = error {
        LookupFailure::Timeout
    } else if let NetError::Io(error) = error {
        LookupFailure::Io(error.to_string())
    } else if let NetError::NoConnections = error {
        // The library's error for every failure to open a socket.
        LookupFailure::Io("cannot open a socket".to_owned())
    } else if let NetError::Dns(DnsError::NoRecordsFound(records)) = error {
        negative(&records)
    } else if let NetError::Dns(DnsError::ResponseCode(code)) = error {
        LookupFailure::ServerFailure(code.to_string())
    } else {
        LookupFailure::ServerFailure(error.to_string())
    }
}

fn negative(records: &NoRecords) -> LookupFailure {
    let is_referral = records.ns.is_some() && records.soa.is_none();
    if records.response_code == ResponseCode::NXDomain {
        LookupFailure::NxDomain
    } else if is_referral {
        let text = "it refers to other servers, so it is not a recursive resolver";
        LookupFailure::ServerFailure(text.to_owned())
    } else {
        let seconds = |ttl| Duration::from_secs(u64::from(ttl));
        LookupFailure::NoAddress {
            ttl: records.negative_ttl.map(seconds),
        }
    }
}

/// Creates the sockets to one server: connected, so that the kernel passes only its packets, and with the IPv6 scope, which the addresses
/// of the DNS library lack.
#[derive(Clone)]
struct SocketProvider {
    address: SocketAddr,
    limiter: Arc<QueryLimiter>,
    tokio: TokioRuntimeProvider,
}

type BoxedSocket<T> = Pin<Box<dyn Send + Future<Output = io::Result<T>>>>;

impl RuntimeProvider for SocketProvider {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = ConnectedUdp;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> TokioHandle {
        self.tokio.create_handle()
    }

    fn connect_tcp(
        &self,
        _server: SocketAddr,
        bind: Option<SocketAddr>,
        timeout: Option<Duration>,
    ) -> BoxedSocket<Self::Tcp> {
        self.tokio.connect_tcp(self.address, bind, timeout)
    }

    fn bind_udp(&self, local: SocketAddr, server: SocketAddr) -> BoxedSocket<ConnectedUdp> {
        let (address, limiter) = (self.address, Arc::clone(&self.limiter));
        Box::pin(async move {
            // The library opens one socket per datagram, so every query passes here.
            limiter.acquire().await;
            let socket = UdpSocket::bind(local).await?;
            socket.connect(address).await?;
            Ok(ConnectedUdp { socket, server })
        })
    }
}

/// A UDP socket with one peer.
struct ConnectedUdp {
    socket: UdpSocket,
    server: SocketAddr,
}

impl DnsUdpSocket for ConnectedUdp {
    type Time = TokioTime;

    fn poll_recv_from(
        &self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(buffer);
        self.socket
            .poll_recv(context, &mut buffer)
            .map_ok(|()| (buffer.filled().len(), self.server))
    }

    fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        _target: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.socket.poll_send(context, bytes)
    }
}
