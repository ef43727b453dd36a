//! A resolver that knows a fixed list of names, for a place without the lab's servers.

use std::net::{IpAddr, UdpSocket};

use super::message::{Kind, question, rcode, reply};

/// Names in lower case, each with its addresses: the first of each family is answered.
pub type Names<'a> = &'a [(&'a str, &'a [IpAddr])];

/// Answers questions that arrive at `socket` as long as the process lives; other names do not exist. Nothing is answered
/// while `is_silent`.
pub fn serve(socket: &UdpSocket, names: Names<'_>, is_silent: impl Fn() -> bool) {
    let mut query = [0; 1500];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut query) else {
            continue;
        };
        if is_silent() {
            continue;
        }
        if let Some(answer) = answer(&query[..length], names) {
            // A client that went away is like one that lost the datagram.
            drop(socket.send_to(&answer, client));
        }
    }
}

fn answer(query: &[u8], names: Names<'_>) -> Option<Vec<u8>> {
    let question = question(query)?;
    let Some((_name, addresses)) = names.iter().find(|(name, _)| *name == question.name) else {
        return Some(reply(query, &question, rcode::NXDOMAIN, false, None));
    };
    let is_wanted = |address: &&IpAddr| address.is_ipv6() == (question.kind == Kind::Aaaa as u16);
    let address = addresses.iter().find(is_wanted).copied();
    Some(reply(query, &question, rcode::NOERROR, false, address))
}
