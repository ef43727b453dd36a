//! Clients that keep a TLS connection or a DNS socket open between requests.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::IpAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, ensure};

use crate::{CONTOSO_LOGIN, Lab};

const TOOL: &str = include_str!("../../lab/keepalive_client.py");
const RESOLVER_CLIENT: &str = include_str!("../../lab/resolver_client.py");

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
        let mut python = lab.device().command("python3");
        python
            .args(["-c", TOOL, CONTOSO_LOGIN])
            .arg(lab.certificates().ca())
            .arg("/v2/");
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
        self.to.write_all(b"\n")?;
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
