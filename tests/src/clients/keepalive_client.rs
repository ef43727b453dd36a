//! Clients that keep a TLS connection or a DNS socket open between requests.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::IpAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{CONTOSO_LOGIN, Lab, fixtures::process_env::ProcessEnv};

const TOOL: &str = include_str!("../../lab/keepalive_client.py");
const RESOLVER_CLIENT: &str = include_str!("../../lab/resolver_client.py");

/// Counters of a connection (tcp(7), `TCP_INFO`).
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// Bytes that the server acknowledged.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
    /// Packets retransmitted.
    pub retransmitted: u64,
}

/// A client process that makes one request for each input line and prints its result. Killed when dropped.
#[derive(Debug)]
pub struct KeepaliveClient {
    client: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl KeepaliveClient {
    /// Starts a client on the device that keeps a connection to contoso's login server.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(lab: &Lab) -> Result<Self> {
        Self::connect(lab, CONTOSO_LOGIN)
    }

    /// As [`KeepaliveClient::start`], with a connection to `host`, an address or a name of contoso's login server.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn connect(lab: &Lab, host: &str) -> Result<Self> {
        Self::connect_in(&lab.device(), lab, host)
    }

    /// As [`KeepaliveClient::connect`], in `env`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn connect_in(env: &ProcessEnv, lab: &Lab, host: &str) -> Result<Self> {
        let mut python = env.command("python3");
        python
            .args(["-c", TOOL, CONTOSO_LOGIN])
            .arg(lab.certificates().ca())
            .args(["/v2/", host]);
        Self::spawn(python)
    }

    /// Starts a client on the device with a socket connected to the DNS server `server`. Each [`KeepaliveClient::request`] queries contoso's login server
    /// and connects to the address in the answer; the result is the address, and `open` or the error.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn resolving(lab: &Lab, server: IpAddr) -> Result<Self> {
        let mut python = lab.device().command("python3");
        python.args(["-c", RESOLVER_CLIENT, &server.to_string(), CONTOSO_LOGIN]);
        let mut client = Self::spawn(python)?;
        let mut line = String::new();
        client.from.read_line(&mut line)?;
        ensure!(line == "connected\n", "{server}: {line}");
        Ok(client)
    }

    fn spawn(mut python: Command) -> Result<Self> {
        python.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = python.spawn().context("start a client")?;
        let to = client.stdin.take().context("no pipe to the client")?;
        let from = client.stdout.take().context("no pipe from the client")?;
        Ok(Self {
            client,
            to,
            from: BufReader::new(from),
        })
    }

    /// Makes one request and returns the HTTP status or the error.
    ///
    /// # Errors
    /// When the client has ended.
    pub fn request(&mut self) -> Result<String> {
        self.ask("\n")
    }

    /// Returns the counters of the connection to a login server.
    ///
    /// # Errors
    /// When the client has ended.
    pub fn counters(&mut self) -> Result<Counters> {
        let line = self.ask("counters\n")?;
        let numbers = line.split(' ').map(str::parse);
        let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().context(line.clone())?;
        let [sent, received, retransmitted] = numbers[..] else {
            bail!("no counters: {line}");
        };
        Ok(Counters {
            sent,
            received,
            retransmitted,
        })
    }

    fn ask(&mut self, line: &str) -> Result<String> {
        self.to.write_all(line.as_bytes())?;
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for KeepaliveClient {
    fn drop(&mut self) {
        let killed = self.client.kill().and_then(|()| self.client.wait());
        assert!(killed.is_ok() || thread::panicking(), "{killed:?}");
    }
}
