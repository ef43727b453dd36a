//! A process that holds sockets for the tests: whose cgroup a socket counts for is settled when it is made.

use std::{
    fmt::Write as _,
    io::{BufRead as _, BufReader, PipeReader, PipeWriter, Write as _},
    net::{IpAddr, SocketAddr},
};

use anyhow::{Context, Result, ensure};
use lab::{fixtures::process::Running, topology::cgroup::Cgroup};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::fixture::Fixture;

const TOOL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/lab/send_methods/socket_client.py"
);

/// It ends when it is dropped.
pub(super) struct Client {
    orders: PipeWriter,
    answers: BufReader<PipeReader>,
    sockets: u32,
    _running: Running,
}

/// A socket of the client's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    number: u32,
    /// What the server sees it as.
    pub(super) peer: SocketAddr,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Deserialize)]
struct CallResult {
    errno: Option<i32>,
    peer: Option<SocketAddr>,
}

impl Client {
    /// A client on the device, in `cgroup`.
    pub(super) fn start(base: &Fixture, cgroup: &Cgroup) -> Result<Self> {
        let (input, orders) = std::io::pipe()?;
        let (answers, output) = std::io::pipe()?;
        let env = base.network.device_env().in_cgroup(cgroup);
        let mut tool = env.command("python3");
        tool.args(["-S", "-B", TOOL]).stdin(input).stdout(output);
        Ok(Self {
            _running: Running::start("socket-client", tool)?,
            orders,
            answers: BufReader::new(answers),
            sockets: 0,
        })
    }

    pub(super) fn connect(&mut self, to: &str) -> Result<Connection> {
        self.open(&json!({"do": "connect", "to": to}))
    }

    /// How a connection that is not to come about is refused.
    pub(super) fn refused(&mut self, to: &str) -> Result<Option<i32>> {
        self.sockets += 1;
        let number = self.sockets;
        let errno = self
            .call(number, &json!({"do": "connect", "to": to}))?
            .errno;
        self.call(number, &json!({"do": "abort"}))?;
        Ok(errno)
    }

    /// Connects with data in the SYN (RFC 7413).
    pub(super) fn fast_open(&mut self, to: &str, data: &[u8]) -> Result<Connection> {
        self.open(&json!({"do": "fast_open", "to": to, "data": hex(data)}))
    }

    /// Disconnects a socket and connects it again.
    pub(super) fn reconnect(&mut self, connection: Connection, to: &str) -> Result<Connection> {
        let result = self.call(connection.number, &json!({"do": "reconnect", "to": to}))?;
        connected(connection.number, result)
    }

    /// The same, with data in the SYN.
    pub(super) fn fast_open_reconnect(
        &mut self,
        connection: Connection,
        to: &str,
        data: &[u8],
    ) -> Result<Connection> {
        let order = json!({"do": "fast_open_reconnect", "to": to, "data": hex(data)});
        let result = self.call(connection.number, &order)?;
        connected(connection.number, result)
    }

    pub(super) fn send(&mut self, connection: Connection, data: &[u8]) -> Result<()> {
        self.done(connection, &json!({"do": "send", "data": hex(data)}))
    }

    /// Sends the pages of a file.
    pub(super) fn send_file(&mut self, connection: Connection, data: &[u8]) -> Result<()> {
        self.done(connection, &json!({"do": "send_file", "data": hex(data)}))
    }

    /// Writes over what [`Client::send_file`] sent.
    pub(super) fn change(&mut self, connection: Connection, data: &[u8]) -> Result<()> {
        self.done(connection, &json!({"do": "change", "data": hex(data)}))
    }

    pub(super) fn send_urgent(&mut self, connection: Connection, data: &[u8]) -> Result<()> {
        self.done(connection, &json!({"do": "send_urgent", "data": hex(data)}))
    }

    /// Has all segments leave so many microseconds later than TCP hands them over, where the queue of the interface does as it is told.
    pub(super) fn delay(&mut self, connection: Connection, micros: u32) -> Result<()> {
        self.done(connection, &json!({"do": "delay", "micros": micros}))
    }

    /// Sends a TCP segment of nobody's from a raw socket.
    pub(super) fn send_raw(&mut self, to: IpAddr, data: &[u8]) -> Result<Option<i32>> {
        let order = json!({"do": "send_raw", "to": to, "data": hex(data)});
        Ok(self.call(0, &order)?.errno)
    }

    fn open(&mut self, order: &Value) -> Result<Connection> {
        self.sockets += 1;
        let result = self.call(self.sockets, order)?;
        connected(self.sockets, result)
    }

    fn done(&mut self, connection: Connection, order: &Value) -> Result<()> {
        let result = self.call(connection.number, order)?;
        ensure!(result.errno.is_none(), "{order}: {result:?}");
        Ok(())
    }

    fn call(&mut self, number: u32, order: &Value) -> Result<CallResult> {
        let mut order = order.clone();
        order["socket"] = number.into();
        writeln!(self.orders, "{order}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("{order}: {line:?}"))
    }
}

fn connected(number: u32, result: CallResult) -> Result<Connection> {
    ensure!(result.errno.is_none(), "not connected: {result:?}");
    let peer = result.peer.context("a connected socket has an address")?;
    Ok(Connection { number, peer })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _a_string_takes_all = write!(text, "{byte:02x}");
        text
    })
}
