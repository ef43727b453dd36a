//! A process in scope that names a server which its address does not belong to.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use test_data::client_hello::client_hello;

/// The first argument of such a process; the name and the address and port follow.
pub(crate) const SAY: &str = "say";
/// The exit code of one that got an answer.
pub(crate) const ANSWERED: u8 = 10;
/// Much longer than an answer takes.
const PATIENCE: Duration = Duration::from_millis(300);

/// Sends a ClientHello with `name` to `address`, and waits for an answer.
pub(crate) fn say(name: &str, address: &str) -> Result<ExitCode> {
    let address: SocketAddr = address.parse()?;
    let mut stream = TcpStream::connect(address).context("connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let sent = stream.write_all(&client_hello(name));
    let mut answer = [0; 16];
    let is_answered = sent.is_ok() && matches!(stream.read(&mut answer), Ok(1..));
    Ok(match is_answered {
        true => ExitCode::from(ANSWERED),
        false => ExitCode::SUCCESS,
    })
}
