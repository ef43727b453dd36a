//! Test runs of the loaded `explain` program on made-up packets.

use std::net::IpAddr;

use aya::programs::{CgroupSkb, CgroupSkbAttachType, TestRun as _, TestRunOptions};
use enforcer_common::layout::EXPLAIN;
use enforcer_common::{Hook, Reason, Verdict};

use super::client_hello::client_hello;
use crate::bpf::{Kernel, Pins};
use crate::sys::KernelError;

/// `struct __sk_buff`: its length, and the offset of its control buffer (linux/bpf.h).
const CONTEXT_LEN: usize = 192;
const CONTROL_BUFFER: usize = 48;
/// Length of an Ethernet header.
const ETHERNET: usize = 14;
/// The IP protocol number of TCP, and the port that names allow.
const TCP: u8 = 6;
const HTTPS: u16 = 443;
/// Ethernet, IPv6 and the ports.
const MAX_PACKET: usize = 14 + 40 + 20;

/// The loaded program, ready for test runs.
pub struct TestRun {
    program: CgroupSkb,
}

/// Result of a test run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestRunVerdict {
    /// Verdict of the rule; in audit mode a denial passes nevertheless.
    pub verdict: Verdict,
    /// The line of the rule that decided.
    pub reason: Reason,
    /// Whether the packet would be sent.
    pub passes: bool,
}

impl TestRun {
    /// Opens the pinned program.
    ///
    /// # Errors
    /// [`KernelError::NotLoaded`] if it is not pinned.
    pub fn open(pins: &Pins) -> Result<Self, KernelError> {
        let place = pins.program(EXPLAIN);
        if !place.exists() {
            return Err(KernelError::NotLoaded {
                path: pins.base().to_owned(),
            });
        }
        let program = CgroupSkb::from_pin(place, CgroupSkbAttachType::Egress)
            .map_err(KernelError::failed("open the loaded program"))?;
        Ok(Self { program })
    }

    /// The verdict for a packet of `protocol` to `destination` and `port`, from the cgroup of this process.
    ///
    /// # Errors
    /// If the kernel cannot run the program.
    pub fn ask(
        &self,
        destination: IpAddr,
        protocol: u8,
        port: u16,
    ) -> Result<TestRunVerdict, KernelError> {
        self.run_packet(&header_packet(destination, protocol, port))
    }

    /// The verdict for the first bytes of a TCP connection: a ClientHello that names `server_name`.
    ///
    /// # Errors
    /// If the kernel cannot run the program.
    pub fn run_client_hello(
        &self,
        destination: IpAddr,
        server_name: &str,
    ) -> Result<TestRunVerdict, KernelError> {
        self.run_packet(&hello_packet(destination, server_name))
    }

    /// The verdict for a packet that begins with an Ethernet header.
    ///
    /// # Errors
    /// If the kernel cannot run the program.
    pub fn run_packet(&self, packet: &[u8]) -> Result<TestRunVerdict, KernelError> {
        run(&self.program, packet)
    }
}

/// Runs `program`, which stores its reason in the control buffer, on a packet that begins with an Ethernet header.
///
/// # Errors
/// If the kernel cannot run the program.
pub(super) fn run(program: &CgroupSkb, packet: &[u8]) -> Result<TestRunVerdict, KernelError> {
    let mut context = [0; CONTEXT_LEN];
    let options = TestRunOptions {
        data_in: Some(packet),
        ctx_out: Some(&mut context),
        ..TestRunOptions::default()
    };
    let run = program
        .test_run(options)
        .map_err(KernelError::failed("run the program"))?;
    let word = |at: usize| {
        let bytes = context
            .get(CONTROL_BUFFER + 4 * at..)
            .and_then(|rest| rest.first_chunk());
        bytes.copied().map_or(u32::MAX, u32::from_ne_bytes)
    };
    let reason = u8::try_from(word(0)).ok().and_then(Reason::from_code);
    let reason = reason.ok_or(KernelError::ReadBack {
        what: "an unknown reason",
    })?;
    Ok(TestRunVerdict {
        verdict: if word(1) == 0 {
            Verdict::Allow
        } else {
            Verdict::Deny
        },
        reason,
        passes: run.return_value == 1,
    })
}

impl Kernel {
    /// Whether the attached egress program, including telemetry, allows a packet that begins with an Ethernet header. It returns no reason; tests compare it
    /// with [`TestRun`].
    ///
    /// # Errors
    /// If the kernel cannot run the program.
    pub fn passes(&self, packet: &[u8]) -> Result<bool, KernelError> {
        let program = self.programs.program(Hook::Egress.word());
        let program: &CgroupSkb = program
            .ok_or(KernelError::NoProgram)?
            .try_into()
            .map_err(KernelError::failed("find the egress program"))?;
        let options = TestRunOptions {
            data_in: Some(packet),
            ..TestRunOptions::default()
        };
        let run = program
            .test_run(options)
            .map_err(KernelError::failed("run the egress program"))?;
        Ok(run.return_value == 1)
    }
}

/// Sets the lengths in the IP and TCP headers of `packet`.
fn set_length(packet: &mut [u8]) {
    let is_v4 = packet.get(ETHERNET) == Some(&0x45);
    let (at, header, tcp) = if is_v4 { (16, 0, 34) } else { (18, 40, 54) };
    let length = packet.len() - ETHERNET - header;
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    for (byte, value) in packet.iter_mut().skip(at).zip(length) {
        *byte = value;
    }
    // Five words of header; ACK and PSH.
    for (byte, value) in packet.iter_mut().skip(tcp + 12).zip([0x50, 0x18]) {
        *byte = value;
    }
}

/// The first segment of a TCP connection to port 443, with a ClientHello for `server_name` and an Ethernet header.
pub(super) fn hello_packet(destination: IpAddr, server_name: &str) -> Vec<u8> {
    let mut packet = header_packet(destination, TCP, HTTPS);
    packet.extend(client_hello(server_name));
    set_length(&mut packet);
    packet
}

/// A packet without a payload, with an Ethernet header, as test runs require it.
pub(super) fn header_packet(destination: IpAddr, protocol: u8, port: u16) -> Vec<u8> {
    let mut packet = Vec::with_capacity(MAX_PACKET);
    packet.extend([0; 12]);
    match destination {
        IpAddr::V4(destination) => {
            packet.extend([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, protocol, 0, 0]);
            packet.extend([0; 4]);
            packet.extend(destination.octets());
        }
        IpAddr::V6(destination) => {
            packet.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 20, protocol, 64]);
            packet.extend([0; 16]);
            packet.extend(destination.octets());
        }
    }
    packet.extend([0, 0]);
    packet.extend(port.to_be_bytes());
    packet.extend([0; 16]);
    packet
}
