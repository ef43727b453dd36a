//! Frames that a classic BPF program selects by one byte.

use libc::sock_filter;

use crate::link_headers::{IPV4, IPV6};

/// Lengths of an Ethernet header and of an IPv6 header.
const ETHERNET: usize = 14;
const IPV6_HEADER: u32 = 40;

/// Where a frame has the byte.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// At an offset behind a TCP header.
    Payload { is_v4: bool, at: usize },
    /// At an offset of the frame.
    Frame { at: usize },
}

impl Place {
    /// Returns a program that selects frames with this byte at the place.
    pub(crate) fn program(self, byte: u8) -> Vec<sock_filter> {
        let mut program = match self {
            Self::Payload { is_v4, at } => in_payload(is_v4, at),
            Self::Frame { at } => [
                is_type(IPV4).as_slice(),
                &[load(libc::BPF_B | libc::BPF_ABS, at)],
            ]
            .concat(),
        };
        program.extend(selecting(byte.into()));
        program
    }
}

/// Instructions that load the byte `at` behind a TCP header.
fn in_payload(is_v4: bool, at: usize) -> Vec<sock_filter> {
    let (ether_type, protocol_at) = if is_v4 { (IPV4, 23) } else { (IPV6, 20) };
    let mut program = is_type(ether_type).to_vec();
    program.push(load(libc::BPF_B | libc::BPF_ABS, protocol_at));
    program.extend(unless_equal(libc::IPPROTO_TCP as u32));
    program.push(if is_v4 {
        statement(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, ETHERNET as u32)
    } else {
        statement(libc::BPF_LDX | libc::BPF_IMM, IPV6_HEADER)
    });
    program.extend([
        // The length of the TCP header, in units of four bytes (RFC 9293 section 3.1).
        load(libc::BPF_B | libc::BPF_IND, ETHERNET + 12),
        statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0xf0),
        statement(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 2),
        statement(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X, 0),
        statement(libc::BPF_MISC | libc::BPF_TAX, 0),
        load(libc::BPF_B | libc::BPF_IND, ETHERNET + at),
    ]);
    program
}

/// Instructions that reject frames of another type.
fn is_type(ether_type: u16) -> [sock_filter; 3] {
    let [skip, reject] = unless_equal(ether_type.into());
    [load(libc::BPF_H | libc::BPF_ABS, 12), skip, reject]
}

/// Instructions that reject where the accumulator has another value. A load behind the end of the frame rejects by itself.
fn unless_equal(value: u32) -> [sock_filter; 2] {
    let mut skip = statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value);
    skip.jt = 1;
    [skip, statement(libc::BPF_RET | libc::BPF_K, 0)]
}

fn selecting(value: u32) -> [sock_filter; 3] {
    let [skip, reject] = unless_equal(value);
    [
        skip,
        reject,
        statement(libc::BPF_RET | libc::BPF_K, u32::MAX),
    ]
}

fn load(mode: u32, at: usize) -> sock_filter {
    statement(libc::BPF_LD | mode, at as u32)
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    }
}
