//! Cost of the egress program per packet, by test runs of the attached program.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use ipnet::Ipv4Net;
use lab::bpf::{AttachPoint, Map, Program};
use test_data::packet::{Packet, tcp_flags::ACK};

use crate::{
    stats::Paired,
    targets::{Kind, Targets},
};

const HTTPS: u16 = 443;
/// Runs per measurement, and measurements per kind.
const REPEAT: u32 = 10_000;
const ROUNDS: usize = 15;

/// `r0 = 1; exit`: allows every packet.
const NO_OP: [u64; 2] = [instruction(0xb7, 0, 0, 0, 1), EXIT];
/// `r0 = 0; exit`: lets every frame pass.
const FILTER_NO_OP: [u64; 2] = [instruction(0xb7, 0, 0, 0, 0), EXIT];
const EXIT: u64 = instruction(0x95, 0, 0, 0, 0);

/// The cost for one kind of destination.
pub(crate) struct Cost {
    pub(crate) title: &'static str,
    /// In addition to a no-op program.
    pub(crate) enforcer: Paired,
    /// A lookup in an `LPM_TRIE` of the same prefixes (IPv4), without a verdict.
    pub(crate) trie: Option<Paired>,
}

/// Measures the program for every kind of destination.
///
/// # Errors
/// When a program cannot be loaded or run, or its verdict is wrong.
pub(crate) fn measure(program: &Program, targets: &mut Targets) -> Result<Vec<Cost>> {
    let no_op = no_op()?;
    let prefixes: Vec<Ipv4Net> = [targets.storage()?, targets.registries()?]
        .iter()
        .flat_map(|set| set.v4().to_vec())
        .collect();
    let map = filled_trie(&prefixes)?;
    let trie = Program::load(&lookup_in(&map)?)?;
    let mut costs = Vec::new();
    for kind in targets.kinds()? {
        check_verdicts(program, &kind)?;
        let packets: Vec<Vec<u8>> = kind
            .addresses
            .iter()
            .map(|address| packet(*address))
            .collect();
        let is_v4 = kind.addresses.iter().all(IpAddr::is_ipv4);
        costs.push(Cost {
            title: kind.title,
            enforcer: compare(&no_op, program, &packets)?,
            trie: if is_v4 {
                Some(compare(&no_op, &trie, &packets)?)
            } else {
                None
            },
        });
    }
    Ok(costs)
}

/// Loads a program that allows every packet.
///
/// # Errors
/// When the kernel refuses it.
pub(crate) fn no_op() -> Result<Program> {
    Program::load(&NO_OP)
}

/// Loads a filter that lets every frame pass.
///
/// # Errors
/// When the kernel refuses it.
pub(crate) fn filter_no_op() -> Result<Program> {
    Program::load_for(AttachPoint::Tcx, &FILTER_NO_OP)
}

/// Whether the program allows a packet to `address`.
///
/// # Errors
/// When it cannot be run.
pub(crate) fn passes(program: &Program, address: IpAddr) -> Result<bool> {
    Ok(program.run(&packet(address), 1)?.0 == 1)
}

fn check_verdicts(program: &Program, kind: &Kind) -> Result<()> {
    ensure!(
        !kind.addresses.is_empty(),
        "{}: no address of this kind",
        kind.title
    );
    for address in &kind.addresses {
        ensure!(
            passes(program, *address)? == kind.passes,
            "{}: the verdict for {address} is wrong",
            kind.title
        );
    }
    Ok(())
}

fn compare(without: &Program, with: &Program, packets: &[Vec<u8>]) -> Result<Paired> {
    let mut rounds = Vec::new();
    for _round in 0..ROUNDS {
        rounds.push([
            mean(without, packets)?,
            mean(with, packets)?,
            mean(without, packets)?,
        ]);
    }
    Ok(Paired::of(&rounds))
}

/// Returns the mean duration of a run in nanoseconds, over all packets.
fn mean(program: &Program, packets: &[Vec<u8>]) -> Result<f64> {
    let mut sum = 0.0;
    for packet in packets {
        sum += program.run(packet, REPEAT)?.1.as_secs_f64() * 1e9;
    }
    Ok(sum / packets.len() as f64)
}

/// Builds a TCP segment without payload.
fn packet(destination: IpAddr) -> Vec<u8> {
    segment(destination, &[])
}

/// Builds a TCP segment to port 443 with the Ethernet header that test runs need.
pub(crate) fn segment(destination: IpAddr, payload: &[u8]) -> Vec<u8> {
    Packet::tcp(destination, HTTPS, 0, ACK, payload).bytes()
}

fn filled_trie(prefixes: &[Ipv4Net]) -> Result<Map> {
    let map = Map::trie(prefixes.len())?;
    for prefix in prefixes {
        let bits = u32::from(prefix.prefix_len()).to_ne_bytes();
        map.set(&[bits, prefix.network().octets()].concat(), &[1, 0, 0, 0])?;
    }
    Ok(map)
}

/// Returns a program that looks up the packet's destination in `map` and allows every packet.
fn lookup_in(map: &Map) -> Result<[u64; 15]> {
    let [data, data_end] = [76, 80];
    Ok([
        instruction(0x61, 2, 1, data, 0),
        instruction(0x61, 3, 1, data_end, 0),
        instruction(0xbf, 4, 2, 0, 0),
        instruction(0x07, 4, 0, 0, 20),
        instruction(0x2d, 4, 3, 8, 0),
        instruction(0x61, 5, 2, 16, 0),
        instruction(0x63, 10, 5, -4, 0),
        instruction(0x62, 10, 0, -8, 32),
        instruction(0x18, 1, 1, 0, i32::try_from(map.number()?)?),
        0,
        instruction(0xbf, 2, 10, 0, 0),
        instruction(0x07, 2, 0, 0, -8),
        instruction(0x85, 0, 0, 0, 1),
        NO_OP[0],
        EXIT,
    ])
}

/// Encodes an instruction (RFC 9669, section 3): opcode, destination and source register, offset, immediate value.
const fn instruction(code: u8, to: u8, from: u8, offset: i16, value: i32) -> u64 {
    let registers = to | from << 4;
    (code as u64)
        | (registers as u64) << 8
        | (offset as u16 as u64) << 16
        | (value as u32 as u64) << 32
}
