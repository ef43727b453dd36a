//! The program of `explain --trace` on this kernel, and that nothing of it is in the attached ones.

use std::{
    fs,
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use enforcer::bpf::{OBJECT, Step, TRACE_OBJECT, TraceProgram};
use enforcer::policy::{EVERYBODY, Inputs, Layer, NameInput, Protected};
use enforcer::sys::KernelError;
use enforcer_common::{Class, layout::EVENTS};
use lab::bpf::{features::release, loaded_policy::LoadedPolicy, objects};
use object::{File, Object as _, ObjectSection as _, ObjectSymbol as _};

use crate::{budgets, programs::PROGRAMS};

/// The series whose verifier refuses the trace program. All others accept it.
const REFUSING: [(u32, u32); 0] = [];
/// The steps under an empty policy.
const EMPTY_POLICY: [&str; 4] = [
    "header: ip-version=4 parsed=with-port protocol=tcp port=443 destination=20.38.98.100",
    "class: address=20.38.98.100 class=unknown",
    "decision: destination=20.38.98.100 reason=no-table",
    "verdict: denied=true reason=no-table passes=false",
];
const NAME: &str = "contoso.azurecr.io";
const REGISTRY: &str = "2603:1030:2::10";
const STORAGE: &str = "20.38.98.100";
/// The steps on a ClientHello for an allowed name.
const ALLOWED: [&str; 13] = [
    "header: ip-version=6 parsed=with-port protocol=tcp port=443 destination=2603:1030:2::10",
    "class: address=2603:1030:2::10 class=registry",
    "exception: address=2603:1030:2::10 covered-by=none",
    "allowed-name: address=2603:1030:2::10 resolves=true",
    "decision: destination=2603:1030:2::10 reason=allowed-name",
    "segment: payload-bytes=79",
    "grant: number=any pattern-number=none cgroup=none granted=false",
    "server-name: name=contoso.azurecr.io",
    "name-entry: number=7",
    "name-entry: number=none",
    "grant: number=7 pattern-number=none cgroup=none granted=true",
    "client-hello: reason=none",
    "verdict: denied=false reason=allowed-name passes=true",
];
/// The steps on a packet to a storage address.
const DENIED: [&str; 6] = [
    "header: ip-version=4 parsed=with-port protocol=tcp port=443 destination=20.38.98.100",
    "class: address=20.38.98.100 class=storage",
    "exception: address=20.38.98.100 covered-by=none",
    "allowed-name: address=20.38.98.100 resolves=false",
    "decision: destination=20.38.98.100 reason=storage",
    "verdict: denied=true reason=storage passes=false",
];
/// The last steps on a ClientHello for another name.
const WRONG_NAME: [&str; 5] = [
    "server-name: name=mallory.azurecr.io",
    "name-entry: number=none",
    "name-entry: number=none",
    "client-hello: reason=server-name-unknown",
    "verdict: denied=true reason=server-name-unknown passes=false",
];
/// `r0 = *(u64 *)(r2 + 0)`, with a register that is never set.
const UNINITIALIZED: [u8; 8] = [0x79, 0x20, 0, 0, 0, 0, 0, 0];
/// Loads of the program while a pin moves.
const TRIES: u32 = 40;
const TCP: u8 = 6;
const HTTPS: u16 = 443;

#[test]
fn the_verifier_accepts_the_trace_program_unless_the_table_says_otherwise() -> Result<()> {
    let policy = LoadedPolicy::new()?;
    let (release, series) = release()?;
    let expected = !REFUSING.contains(&series);
    let pins = policy.kernel.pins();
    let object = objects::trace()?;
    let mut program = match TraceProgram::load_object(pins, &object) {
        Ok(program) => program,
        Err(error @ KernelError::TraceRefused { .. }) => {
            assert!(!expected, "{error}");
            assert!(error.to_string().contains(&release), "{error}");
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    assert!(expected, "{release} accepts the trace program");
    budgets::hold(&policy, &object, "explain_trace")?;
    let steps = program.steps(STORAGE.parse()?, TCP, HTTPS)?;
    assert_eq!(text(steps), EMPTY_POLICY);
    Ok(())
}

#[test]
fn the_steps_of_a_decision_are_logged_in_order_and_nothing_else_is_written() -> Result<()> {
    let (_, series) = release()?;
    if REFUSING.contains(&series) {
        return Ok(());
    }
    let mut policy = LoadedPolicy::new()?;
    policy.apply(&protected()?, &inputs()?)?;
    let before = policy.counters()?;
    let mut program = TraceProgram::load(policy.kernel.pins())?;
    let registry: IpAddr = REGISTRY.parse()?;
    assert_eq!(text(program.hello_steps(registry, NAME)?), ALLOWED);
    let storage: IpAddr = STORAGE.parse()?;
    assert_eq!(text(program.steps(storage, TCP, HTTPS)?), DENIED);
    let steps = text(program.hello_steps(registry, "mallory.azurecr.io")?);
    assert_eq!(steps[..7], text(program.hello_steps(registry, NAME)?)[..7]);
    assert_eq!(steps[7..], WRONG_NAME);
    assert_eq!(policy.counters()?, before);
    Ok(())
}

fn text(steps: Vec<Step>) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

fn protected() -> Result<Protected> {
    let layer = |class, prefix: &str| -> Result<Layer> {
        let prefixes = vec![prefix.parse()?];
        Ok(Layer { class, prefixes })
    };
    Ok(Protected {
        layers: vec![
            layer(Class::Storage, "20.38.98.0/24")?,
            layer(Class::Registry, "2603:1030:2::/48")?,
        ],
        ..Protected::default()
    })
}

fn inputs() -> Result<Inputs> {
    let addresses: Vec<IpAddr> = vec![REGISTRY.parse()?];
    Ok(Inputs {
        default_allow: true,
        allowed: addresses.clone(),
        names: vec![NameInput {
            text: NAME.to_owned(),
            id: 7,
            scopes: vec![EVERYBODY],
            addresses,
            ..NameInput::default()
        }],
        ..Inputs::default()
    })
}

/// A pin that another process moves away and back while the program is loaded.
#[test]
fn loading_the_trace_program_creates_no_pin() -> Result<()> {
    let policy = LoadedPolicy::new()?;
    let pin = policy.map(EVENTS);
    let elsewhere = pin.with_file_name("elsewhere");
    let [is_done, is_created] = [false, false].map(AtomicBool::new);
    let move_pin = || -> Result<()> {
        while !is_done.load(Ordering::Relaxed) {
            fs::rename(&pin, &elsewhere)?;
            is_created.fetch_or(pin.exists(), Ordering::Relaxed);
            fs::rename(&elsewhere, &pin)?;
        }
        Ok(())
    };
    let moved = thread::scope(|scope| {
        let moving = scope.spawn(move_pin);
        let loads = (0..TRIES).map(|_| TraceProgram::load(policy.kernel.pins()));
        let unexpected = loads.filter_map(Result::err).find(|error| {
            !matches!(
                error,
                KernelError::NotLoaded { .. } | KernelError::TraceRefused { .. }
            )
        });
        is_done.store(true, Ordering::Relaxed);
        assert!(unexpected.is_none(), "{unexpected:?}");
        moving.join()
    });
    moved.map_err(|_panic| anyhow!("the thread panicked"))??;
    assert!(!is_created.load(Ordering::Relaxed), "a pin was created");
    Ok(())
}

#[test]
fn a_refusal_names_the_kernel() -> Result<()> {
    let policy = LoadedPolicy::new()?;
    let mut object = TRACE_OBJECT.to_vec();
    let file = File::parse(TRACE_OBJECT)?;
    let section = file.section_by_name("cgroup_skb/egress");
    let section = section.context("no program in the object")?;
    let (start, _) = section.file_range().context("an empty section")?;
    let start = usize::try_from(start)?;
    object[start..start + UNINITIALIZED.len()].copy_from_slice(&UNINITIALIZED);
    let refused = TraceProgram::load_object(policy.kernel.pins(), &object);
    let refused = refused.err().context("loaded")?.to_string();
    let (release, _) = release()?;
    let expected = format!("the verifier of kernel {release} refuses the trace program");
    assert_eq!(refused, expected);
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
    let loaded = LoadedPolicy::new()?;
    for name in PROGRAMS {
        let maps = loaded.newest(name)?.maps()?;
        let names: Result<Vec<_>> = maps.iter().map(|map| Ok(map.info()?.name)).collect();
        let names = names?;
        assert!(!names.is_empty(), "{name}");
        assert!(
            !names.iter().any(|map| map == "AYA_LOGS"),
            "{name}: {names:?}"
        );
    }
    Ok(())
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
