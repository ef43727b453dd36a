//! Clients that keep a connection or a socket.

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

/// The client, with a line to it and one from it for each pull. It ends when it is dropped.
#[derive(Debug)]
pub struct KeepaliveClient {
    client: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl KeepaliveClient {
    /// A client on the device that has connected to contoso's login server.
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

    /// A client on the device whose socket is connected to the DNS server at `server`. Each [`KeepaliveClient::pull`] is a question for contoso's login
    /// server, and a connection to the address of the answer: that address, and what came of it.
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
        let to = client.stdin.take().context("no way to the client")?;
        let from = client.stdout.take().context("no way from the client")?;
        Ok(Self {
            client,
            to,
            from: BufReader::new(from),
        })
    }

    /// The status, or what failed.
    ///
    /// # Errors
    /// When the client is no more.
    pub fn pull(&mut self) -> Result<String> {
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
