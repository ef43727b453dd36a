//! One verified connection that is kept open and used the whole time.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use lab::{clients::stream::retransmissions, topology::addresses::name_at};
use test_data::client_hello::client_hello;

/// Contoso's login server.
const LOGIN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
/// Time limit of an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Interval between the requests.
const PAUSE: Duration = Duration::from_millis(50);
/// A TLS record of application data (RFC 8446, 5.1), as far as the enforcer can read it.
const REQUEST: [u8; 9] = [23, 3, 3, 0, 4, 1, 2, 3, 4];

/// Sends a ClientHello and then a request at a time until the file `end` exists. Returns the numbers of answers and of retransmitted packets. Fails when
/// a request remains without an answer.
pub(crate) fn until(end: &Path) -> Result<String> {
    let address = SocketAddr::from((LOGIN, 443));
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE).context("connect")?;
    connection.set_read_timeout(Some(PATIENCE))?;
    exchange(&mut connection, &client_hello(&name_at(address))).context("ClientHello")?;
    let mut answers: u64 = 0;
    while !end.exists() {
        exchange(&mut connection, &REQUEST).with_context(|| format!("after {answers} answers"))?;
        answers += 1;
        thread::sleep(PAUSE);
    }
    let again = retransmissions(&connection)?;
    Ok(format!(
        "one verified connection: {answers} of {answers} requests answered, {again} packets retransmitted\n"
    ))
}

fn exchange(connection: &mut TcpStream, request: &[u8]) -> Result<()> {
    connection.write_all(request).context("send")?;
    let length = connection.read(&mut [0; 512]).context("no answer")?;
    ensure!(length > 0, "the server closed the connection");
    Ok(())
}
