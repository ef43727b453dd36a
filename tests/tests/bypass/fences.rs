//! What is sent behind an attempt, to know that everything before it has arrived or been reported.

use std::{net::IpAddr, time::Duration};

use anyhow::{Result, ensure};
use lab::topology::{cgroup::Cgroup, network::Network};
use serde_json::json;

use crate::{
    client::{Client, Socket, hex},
    comparison::SendResult,
    event_log::{EventLog, is_to},
    fixture::Fixture,
    link_headers::ethernet,
    topology::{FAR_MAC, HOST_MAC},
};

/// Time for a fence to arrive or to be reported.
const ARRIVAL: Duration = Duration::from_secs(10);
/// An EtherType for experiments (IEEE 802), which passes.
const EXPERIMENTAL: u16 = 0x88b5;
/// An address of a storage account that no attempt uses.
const STORAGE: &str = "203.0.113.253";

/// Two sockets of the host: a packet socket, and one in scope whose datagrams are denied.
pub(crate) struct Fences {
    client: Client,
    frames: Socket,
    datagrams: Socket,
    number: u16,
    _cgroup: Cgroup,
}

impl Fences {
    pub(crate) fn start(network: &Network, scope: &Cgroup) -> Result<Self> {
        let cgroup = scope.child("fences")?;
        let mut client = Client::start(&network.device_env().in_cgroup(&cgroup))?;
        Ok(Self {
            frames: client.open(json!({"do": "packet", "kind": "SOCK_RAW"}))?,
            datagrams: client.open(json!({"do": "datagrams", "address": "0.0.0.0"}))?,
            client,
            number: 0,
            _cgroup: cgroup,
        })
    }

    /// Sends a frame that passes, and waits for it: the link preserves the order of what crosses it.
    pub(crate) fn pass_frame(&mut self, fixture: &Fixture) -> Result<()> {
        self.number += 1;
        let marker = format!("fence {:06}", self.number).into_bytes();
        let frame = ethernet(FAR_MAC, HOST_MAC, EXPERIMENTAL, &marker);
        let order = json!({
            "do": "send_frame", "device": "eth0", "protocol": EXPERIMENTAL, "data": hex(&frame),
        });
        let known = fixture.far.count();
        self.client.on(self.frames, order)?;
        let has_arrived = fixture.far.await_frame_with(known, &marker, ARRIVAL);
        ensure!(has_arrived, "the frame behind an attempt is lost");
        Ok(())
    }

    /// Sends a datagram that the socket's hook denies, and waits for its event: the kernel reports in order.
    pub(crate) fn report(&mut self, events: &EventLog) -> Result<()> {
        self.number += 1;
        let (to, port) = (address()?, self.number);
        let order = json!({"do": "send_to", "to": to, "port": port, "data": "00"});
        let sent = self.client.try_on(self.datagrams, order)?;
        let is_fence = |event: &_| is_to(event, to) && event.port == Some(port);
        let is_reported = events.await_denial(ARRIVAL, is_fence)?;
        let is_denied = sent == SendResult::Refused(libc::EPERM) && is_reported;
        ensure!(is_denied, "a socket reaches {to}: {sent:?}, {is_reported}");
        Ok(())
    }
}

/// The destination of the datagrams.
pub(crate) fn address() -> Result<IpAddr> {
    Ok(STORAGE.parse()?)
}
