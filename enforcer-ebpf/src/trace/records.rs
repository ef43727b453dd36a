//! The records: a word for the step, then `key=value` pairs whose codes user space turns into field terms
//! (`enforcer/src/bpf/explain/step.rs`).
//!
//! Each is written by an exported function with numeric arguments, as in `policy_maps`: the verifier checks it once, not on every path.

use aya_log_ebpf::info;
use enforcer_common::{Address, Exception, Flow, PacketError, Transport, Verdict};

use super::step::Step;
use crate::maps::HELLO_SCRATCH;

/// Bytes of a server name that are logged.
const NAME_PART: usize = 64;
/// Instead of the code of a reason: passed.
const PASSED: u32 = u8::MAX as u32;

#[inline(always)]
pub(super) fn log(step: Step) {
    match step {
        Step::Header(version, read) => log_read(version, read),
        Step::Class(address, class) => {
            let [high, low] = halves(address);
            trace_class(high, low, class.code().into());
        }
        Step::Exception(address, exception) => {
            let [high, low] = halves(address);
            let kind = match exception {
                None => 0,
                Some(Exception::Prefix) => 1,
                Some(Exception::Name) => 2,
            };
            trace_exception(high, low, kind);
        }
        Step::AllowedName(address, is_allowed) => {
            let [high, low] = halves(address);
            trace_allowed_name(high, low, is_allowed.into());
        }
        Step::Decision(decision) => {
            let [high, low] = halves(decision.destination);
            trace_decision(high, low, decision.reason as u32);
        }
        Step::Segment(len) => drop(trace_segment(len)),
        Step::ServerName(socket) => drop(trace_server_name(socket)),
        Step::NameEntry(entry) => {
            let number = match entry {
                Some(entry) => entry.id,
                None => 0,
            };
            trace_name_entry(number);
        }
        Step::Grant([number, pattern], grant) => {
            let (cgroup, granted) = match grant {
                Some(grant) => (grant.cgroup, 1),
                None => (0, 0),
            };
            trace_grant(number, pattern, cgroup, granted);
        }
        Step::ClientHello(checked) => {
            let code = match checked {
                Ok(()) => PASSED,
                Err(reason) => reason as u32,
            };
            trace_client_hello(code);
        }
        Step::Verdict(decision, passes) => {
            let denied = decision.verdict() == Verdict::Deny;
            trace_verdict(denied.into(), decision.reason as u32, passes.into());
        }
    }
}

/// Logs the header, with a code for how it was parsed: 0 unreadable, 1 source-routed, 2 with its port, 3 with its port hidden, 4 without ports.
#[inline(always)]
fn log_read(version: u32, read: Result<Flow, PacketError>) {
    let (parsed, flow) = match read {
        Ok(flow) => match flow.transport {
            Transport::Tcp(_) | Transport::Udp(_) => (2, flow),
            Transport::Hidden(_) => (3, flow),
            Transport::Other(_) => (4, flow),
        },
        Err(PacketError::SourceRouted(hop)) => (1, without_transport(hop)),
        Err(PacketError::NoHeader) => (0, without_transport(Address::from_v4(0))),
    };
    let [high, low] = halves(flow.destination);
    let (protocol, port) = (flow.transport.protocol(), flow.transport.port());
    let transport = u64::from(protocol) << 16 | u64::from(port);
    trace_header(high, low, u64::from(version), parsed, transport);
}

/// The halves of an address.
#[inline(always)]
fn halves(address: Address) -> [u64; 2] {
    let bits = address.bits();
    [(bits >> 64) as u64, bits as u64]
}

/// The bytes of an address.
#[inline(always)]
fn bytes(high: u64, low: u64) -> [u8; 16] {
    ((high as u128) << 64 | low as u128).to_be_bytes()
}

#[inline(always)]
fn without_transport(destination: Address) -> Flow {
    Flow {
        destination,
        transport: Transport::Hidden(0),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn trace_header(high: u64, low: u64, version: u64, parsed: u64, transport: u64) -> u32 {
    let (protocol, port) = ((transport >> 16) as u8, transport as u16);
    let (version, parsed) = (version as u32, parsed as u32);
    info!(
        (),
        "header ip-version={} parsed={} protocol={} port={} destination={:i}",
        version,
        parsed,
        protocol,
        port,
        bytes(high, low)
    );
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn trace_class(high: u64, low: u64, class: u32) -> u32 {
    let address = bytes(high, low);
    info!((), "class address={:i} class={}", address, class);
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn trace_exception(high: u64, low: u64, kind: u32) -> u32 {
    let address = bytes(high, low);
    info!((), "exception address={:i} covered-by={}", address, kind);
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn trace_allowed_name(high: u64, low: u64, resolves: u32) -> u32 {
    let address = bytes(high, low);
    info!(
        (),
        "allowed-name address={:i} resolves={}", address, resolves
    );
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn trace_decision(high: u64, low: u64, reason: u32) -> u32 {
    let destination = bytes(high, low);
    info!(
        (),
        "decision destination={:i} reason={}", destination, reason
    );
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn trace_segment(bytes: u32) -> u32 {
    info!((), "segment payload-bytes={}", bytes);
    0
}

/// Logs the server name, padded with zeros and cut at [`NAME_PART`] bytes.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn trace_server_name(socket: u64) -> u32 {
    // SAFETY: only the program of the socket uses its entry.
    let parser = unsafe { HELLO_SCRATCH.get(&socket) };
    if let Some(parser) = parser
        && let Some(part) = parser.keys.exact().first_chunk::<NAME_PART>()
        && part[0] != 0
    {
        info!((), "server-name name={:x}", part);
    }
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn trace_name_entry(number: u32) -> u32 {
    info!((), "name-entry number={}", number);
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn trace_grant(number: u32, pattern: u32, cgroup: u64, granted: u32) -> u32 {
    info!(
        (),
        "grant number={} pattern-number={} cgroup={} granted={}", number, pattern, cgroup, granted
    );
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn trace_client_hello(reason: u32) -> u32 {
    info!((), "client-hello reason={}", reason);
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn trace_verdict(denied: u32, reason: u32, passes: u32) -> u32 {
    info!(
        (),
        "verdict denied={} reason={} passes={}", denied, reason, passes
    );
    0
}
