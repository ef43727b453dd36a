//! The program of `explain --trace` on this kernel, and that nothing of it is in the attached ones.

use std::net::IpAddr;

use anyhow::Result;
use enforcer::bpf::{OBJECT, TRACE_OBJECT, TraceProgram};
use enforcer::sys::KernelError;
use lab::bpf::{features::release, loaded_policy::LoadedPolicy};
use object::{File, Object as _, ObjectSymbol as _};

use crate::{PROGRAMS, newest, report_cost};

/// The series whose verifier refuses the trace program. All others accept it.
const REFUSING: [(u32, u32); 0] = [];
/// The steps under an empty policy.
const EMPTY_POLICY: [&str; 4] = [
    "header: ip-version=4 parsed=with-port protocol=tcp port=443 destination=20.38.98.100",
    "class: address=20.38.98.100 class=unknown",
    "decision: destination=20.38.98.100 reason=no-table",
    "verdict: denied=true reason=no-table passes=false",
];
const TCP: u8 = 6;
const HTTPS: u16 = 443;

#[test]
fn the_trace_program_loads_on_the_kernels_that_are_expected_to_accept_it() -> Result<()> {
    let policy = LoadedPolicy::new()?;
    let (release, series) = release()?;
    let expected = !REFUSING.contains(&series);
    let mut program = match TraceProgram::load(policy.kernel.pins()) {
        Ok(program) => program,
        Err(error @ KernelError::TraceRefused { .. }) => {
            assert!(!expected, "{error}");
            assert!(error.to_string().contains(&release), "{error}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    assert!(expected, "{release} accepts the trace program");
    report_cost("explain_trace")?;
    let address: IpAddr = "20.38.98.100".parse()?;
    let steps = program.steps(address, TCP, HTTPS)?;
    let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(steps, EMPTY_POLICY);
    Ok(())
}

#[test]
fn the_attached_programs_have_no_log() -> Result<()> {
    for (object, has_log) in [(OBJECT, false), (TRACE_OBJECT, true)] {
        let parsed = File::parse(object)?;
        let mut symbols = parsed.symbols();
        let is_log = |name: &str| name.starts_with("AYA_LOG") || name.starts_with("trace_");
        let symbol = symbols.find(|symbol| symbol.name().is_ok_and(is_log));
        assert_eq!(symbol.is_some(), has_log, "{symbol:?}");
        assert_eq!(contains(object, b"AYA_LOG"), has_log);
        assert_eq!(contains(object, b"aya-log"), has_log);
        let map = parsed.section_by_name("maps");
        assert_eq!(map.is_some(), has_log);
    }
    let _loaded = LoadedPolicy::new()?;
    for name in PROGRAMS {
        let maps = newest(name)?.maps()?;
        assert!(!maps.is_empty(), "{name}");
        assert!(
            !maps.iter().any(|map| map == "AYA_LOGS"),
            "{name}: {maps:?}"
        );
    }
    Ok(())
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
