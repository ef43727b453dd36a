//! A minimal name server, where the lab's servers are not available.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    thread,
};

use anyhow::Result;
use lab::topology::{addresses::RESOLVER_V4, network::Network};

/// Addresses by lower-case name.
pub(crate) type Names = &'static [(&'static str, Ipv4Addr)];

/// Starts to answer queries in the cloud, for the lifetime of this process.
pub(crate) fn start(network: &Network, names: Names) -> Result<()> {
    let address = SocketAddr::new(IpAddr::V4(RESOLVER_V4), 53);
    let socket = network.cloud().run(|| Ok(UdpSocket::bind(address)?))?;
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = answer(&buffer[..length], names) {
                // A client that missed the answer retries.
                drop(socket.send_to(&answer, client));
            }
        }
    });
    Ok(())
}

/// Returns the answer (RFC 1035, section 4.1): the header, the question, and the name's address if it has one.
fn answer(query: &[u8], names: Names) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(
            std::str::from_utf8(query.get(at..at + length)?)
                .ok()?
                .to_lowercase(),
        );
        at += length;
    }
    let question = query.get(12..at + 4)?;
    let is_a = query.get(at..at + 2)? == [0, 1];
    let name = labels.join(".");
    let found = names.iter().find(|(known, _)| *known == name);
    let code = if found.is_some() { 0 } else { 3 };
    let address = found.filter(|_| is_a).map(|(_, address)| address);
    let mut answer = query.get(..2)?.to_vec();
    answer.extend([
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::from(address.is_some()),
        0,
        0,
        0,
        0,
    ]);
    answer.extend(question);
    if let Some(address) = address {
        // The name of the question, type A, class IN, 60 s, 4 bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
