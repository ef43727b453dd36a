//! A client process that keeps sockets for the tests; a socket belongs to the cgroup of its process at socket(2).

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

/// The client process; killed when dropped.
pub(super) struct Client {
    commands: PipeWriter,
    answers: BufReader<PipeReader>,
    sockets: u32,
    _running: Running,
}

/// A socket of the client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection {
    number: u32,
    /// Its address as the server sees it.
    pub(super) peer: SocketAddr,
}

/// The result of a call.
#[derive(Clone, Copy, Debug, Deserialize)]
struct CallResult {
    errno: Option<i32>,
    peer: Option<SocketAddr>,
}

impl Client {
    /// Starts a client on the device, in `cgroup`.
    pub(super) fn start(base: &Fixture, cgroup: &Cgroup) -> Result<Self> {
        let (input, commands) = std::io::pipe()?;
        let (answers, output) = std::io::pipe()?;
        let env = base.network.device_env().in_cgroup(cgroup);
        let mut tool = env.command("python3");
        tool.args(["-S", "-B", TOOL]).stdin(input).stdout(output);
        Ok(Self {
            _running: Running::start("socket-client", tool)?,
            commands,
            answers: BufReader::new(answers),
            sockets: 0,
        })
    }

    pub(super) fn connect(&mut self, to: &str) -> Result<Connection> {
        self.open(&json!({"do": "connect", "to": to}))
    }

    /// Returns the errno of a connection that is expected to fail.
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

    /// Disconnects and reconnects a socket.
    pub(super) fn reconnect(&mut self, connection: Connection, to: &str) -> Result<Connection> {
        let result = self.call(connection.number, &json!({"do": "reconnect", "to": to}))?;
        connected(connection.number, result)
    }

    /// As [`Client::reconnect`], with data in the SYN.
    pub(super) fn fast_open_reconnect(
        &mut self,
        connection: Connection,
        to: &str,
        data: &[u8],
    ) -> Result<Connection> {
        let command = json!({"do": "fast_open_reconnect", "to": to, "data": hex(data)});
        let result = self.call(connection.number, &command)?;
        connected(connection.number, result)
    }

    pub(super) fn send(&mut self, connection: Connection, data: &[u8]) -> Result<()> {
        self.expect_success(connection, &json!({"do": "send", "data": hex(data)}))
    }

    /// Sends the pages of a file.
    pub(super) fn send_file(&mut self, connection: Connection, data: &[u8]) -> Result<()> {
        self.expect_success(connection, &json!({"do": "send_file", "data": hex(data)}))
    }

    /// Overwrites the file that [`Client::send_file`] sent.
    pub(super) fn change(&mut self, connection: Connection, data: &[u8]) -> Result<()> {
        self.expect_success(connection, &json!({"do": "change", "data": hex(data)}))
    }

    pub(super) fn send_urgent(&mut self, connection: Connection, data: &[u8]) -> Result<()> {
        self.expect_success(connection, &json!({"do": "send_urgent", "data": hex(data)}))
    }

    /// Delays the departure of all segments by `micros` (TCP_TX_DELAY), if the interface's queueing discipline supports it.
    pub(super) fn delay(&mut self, connection: Connection, micros: u32) -> Result<()> {
        self.expect_success(connection, &json!({"do": "delay", "micros": micros}))
    }

    /// Sends a TCP segment from a raw socket, without a TCP connection.
    pub(super) fn send_raw(&mut self, to: IpAddr, data: &[u8]) -> Result<Option<i32>> {
        let command = json!({"do": "send_raw", "to": to, "data": hex(data)});
        Ok(self.call(0, &command)?.errno)
    }

    fn open(&mut self, command: &Value) -> Result<Connection> {
        self.sockets += 1;
        let result = self.call(self.sockets, command)?;
        connected(self.sockets, result)
    }

    fn expect_success(&mut self, connection: Connection, command: &Value) -> Result<()> {
        let result = self.call(connection.number, command)?;
        ensure!(result.errno.is_none(), "{command}: {result:?}");
        Ok(())
    }

    fn call(&mut self, number: u32, command: &Value) -> Result<CallResult> {
        let mut command = command.clone();
        command["socket"] = number.into();
        writeln!(self.commands, "{command}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("{command}: {line:?}"))
    }
}

fn connected(number: u32, result: CallResult) -> Result<Connection> {
    ensure!(result.errno.is_none(), "not connected: {result:?}");
    let peer = result.peer.context("a connected socket has an address")?;
    Ok(Connection { number, peer })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}
