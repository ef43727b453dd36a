//! A DNS server on 127.0.0.1 with scripted answers.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, NS, SOA};
use hickory_resolver::proto::rr::{Name as DnsName, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Transport of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// One query as the server received it.
#[derive(Clone, Debug)]
pub(super) struct ReceivedQuery {
    pub(super) name: String,
    record_type: RecordType,
    pub(super) transport: Transport,
    pub(super) edns: bool,
}

impl ReceivedQuery {
    pub(super) fn is_v4(&self) -> bool {
        self.record_type == RecordType::A
    }
}

/// Completes the answer to a query, which is passed as an empty positive one; `None` sends no answer.
type Script = dyn Fn(&ReceivedQuery, Message) -> Option<Message> + Send + Sync;

/// A running server; it stops with the runtime.
pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    received: Arc<Mutex<Vec<ReceivedQuery>>>,
}

impl TestServer {
    pub(super) async fn start(
        script: impl Fn(&ReceivedQuery, Message) -> Option<Message> + Send + Sync + 'static,
    ) -> Self {
        let (udp, tcp) = bind().await.unwrap();
        let address = udp.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(script);
        tokio::spawn(serve_udp(udp, Arc::clone(&received), Arc::clone(&script)));
        tokio::spawn(serve_tcp(tcp, Arc::clone(&received), script));
        Self { address, received }
    }

    /// The queries so far.
    pub(super) fn received(&self) -> Vec<ReceivedQuery> {
        self.received.lock().unwrap().clone()
    }
}

/// A UDP and a TCP socket with the same port.
async fn bind() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::ErrorKind::AddrInUse.into();
    for _ in 0..20 {
        let udp = UdpSocket::bind("127.0.0.1:0").await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn serve_udp(
    socket: UdpSocket,
    received: Arc<Mutex<Vec<ReceivedQuery>>>,
    script: Arc<Script>,
) {
    let mut buffer = [0; 4096];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
        if let Some(answer) = respond(&buffer[..length], Transport::Udp, &received, &*script) {
            socket.send_to(&answer, peer).await.unwrap();
        }
    }
}

async fn serve_tcp(
    listener: TcpListener,
    received: Arc<Mutex<Vec<ReceivedQuery>>>,
    script: Arc<Script>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve_stream(
            stream,
            Arc::clone(&received),
            Arc::clone(&script),
        ));
    }
}

async fn serve_stream(
    mut stream: TcpStream,
    received: Arc<Mutex<Vec<ReceivedQuery>>>,
    script: Arc<Script>,
) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await.unwrap();
        if let Some(answer) = respond(&question, Transport::Tcp, &received, &*script) {
            let length = u16::try_from(answer.len()).unwrap();
            stream.write_u16(length).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    }
}

fn respond(
    bytes: &[u8],
    transport: Transport,
    received: &Mutex<Vec<ReceivedQuery>>,
    script: &Script,
) -> Option<Vec<u8>> {
    let message = Message::from_vec(bytes).unwrap();
    let query = &message.queries[0];
    let question = ReceivedQuery {
        name: query.name().to_ascii(),
        record_type: query.query_type(),
        transport,
        edns: message.edns.is_some(),
    };
    received.lock().unwrap().push(question.clone());
    let mut answer = Message::response(message.id, message.op_code);
    answer.metadata.message_type = MessageType::Response;
    answer.metadata.recursion_available = true;
    answer.add_query(query.clone());
    let answer = script(&question, answer)?;
    Some(answer.to_vec().unwrap())
}

/// Builds answers from text.
pub(super) trait Build: Sized {
    fn a(self, owner: &str, ttl: u32, address: [u8; 4]) -> Self;
    fn aaaa(self, owner: &str, ttl: u32, address: &str) -> Self;
    fn cname(self, owner: &str, ttl: u32, target: &str) -> Self;
    fn soa(self, ttl: u32, minimum: u32) -> Self;
    fn referral(self, zone: &str) -> Self;
    fn code(self, code: ResponseCode) -> Self;
    fn truncated(self) -> Self;
}

impl Build for Message {
    fn a(mut self, owner: &str, ttl: u32, address: [u8; 4]) -> Self {
        self.add_answer(record(owner, ttl, RData::A(A(address.into()))));
        self
    }

    fn aaaa(mut self, owner: &str, ttl: u32, address: &str) -> Self {
        let address = address.parse().unwrap();
        self.add_answer(record(owner, ttl, RData::AAAA(AAAA(address))));
        self
    }

    fn cname(mut self, owner: &str, ttl: u32, target: &str) -> Self {
        self.add_answer(record(owner, ttl, RData::CNAME(CNAME(dns_name(target)))));
        self
    }

    fn soa(mut self, ttl: u32, minimum: u32) -> Self {
        let zone = || dns_name("azurecr.io.");
        let soa = SOA::new(zone(), zone(), 1, 3600, 300, 86_400, minimum);
        self.add_authority(record("azurecr.io.", ttl, RData::SOA(soa)));
        self
    }

    fn referral(mut self, zone: &str) -> Self {
        let server = RData::NS(NS(dns_name("ns1.azure-dns.com.")));
        self.add_authority(record(zone, 3600, server));
        self
    }

    fn code(mut self, code: ResponseCode) -> Self {
        self.metadata.response_code = code;
        self
    }

    fn truncated(mut self) -> Self {
        self.metadata.truncation = true;
        self
    }
}

fn record(owner: &str, ttl: u32, data: RData) -> Record {
    Record::from_rdata(dns_name(owner), ttl, data)
}

fn dns_name(text: &str) -> DnsName {
    DnsName::from_ascii(text).unwrap()
}
