//! `explain`: whether a destination is reachable, and why.

mod address_verdict;
mod destination;
mod evaluation;
mod evaluator;
pub(super) mod explanation;
mod fix;
mod initiator;
mod past;
mod places;
mod trace;

use anyhow::{Result, bail, ensure};
use jiff::Timestamp;

use self::destination::{Destination, ParsedDestination, hosts_lines, known_names};
use self::evaluator::{Evaluator, WithoutSocket};
use self::explanation::{Explanation, HTTPS};
use self::initiator::Initiator;
use self::places::Places;
use super::args::{ExplainArgs, Protocol};
use super::config_file::ConfigFile;
use super::daemon_client::status_if_running;
use super::exit::Exit;
use super::printer::Printer;
use crate::bpf::Pins;
use crate::config::Paths;
use crate::core::{MissingHooks, Status};
use crate::sys::KernelError;

/// The error of `--sni` with another protocol or port.
const SNI_WITHOUT_HTTPS: &str = "--sni sets the server name of a TLS handshake, which is checked on TCP port 443 only: remove --proto and other ports";

/// Explains the verdict on one destination, which is denied if any of its addresses is.
pub(super) fn explain(config: &ConfigFile, mut args: ExplainArgs) -> Result<Exit> {
    let mut printer = Printer::stdout(args.output.json);
    let paths = config.paths()?;
    let notes = past::complete(&paths, &mut args)?;
    let explanation = explanation(&paths, args, notes)?;
    printer.report(&explanation)?;
    Ok(if explanation.is_denied() {
        Exit::No
    } else {
        Exit::Done
    })
}

fn explanation(paths: &Paths, args: ExplainArgs, mut notes: Vec<String>) -> Result<Explanation> {
    let parsed = ParsedDestination::parse(&args.destination.unwrap_or_default())?;
    let status = status_if_running(paths);
    let daemon_runs = !matches!(status, Ok(None));
    let status = status.unwrap_or_else(|error| {
        notes.push(format!("names are not known: {error}"));
        None
    });
    let pins = pins_in_force(paths, daemon_runs)?;
    let port = port(args.port, parsed.port)?;
    let is_https = args.proto == Protocol::Tcp && port == HTTPS;
    ensure!(args.sni.is_none() || is_https, SNI_WITHOUT_HTTPS);
    let initiator = Initiator {
        unit: args.unit,
        cgroup: args.cgroup,
    };
    let places = Places::find(&pins, status.as_ref())?;
    let evaluator = Evaluator::open(&pins, &initiator, status.as_ref(), &places)?;
    let without_socket = WithoutSocket::open(&pins, &places)?;
    let destination = Destination::resolve(parsed.host, status.as_ref(), &mut notes)?;
    let name = destination.name().filter(|_| is_https);
    let mut explanation = Explanation {
        sni: args.sni.or_else(|| name.map(ToString::to_string)),
        name_allowed: destination.is_allowed(status.as_ref()),
        places,
        notes,
        ..Explanation::new(
            destination.to_string(),
            args.proto,
            port,
            initiator,
            evaluator.description(),
        )
    };
    explanation.set_missing_hooks(missing_hooks(&pins, status.as_ref()));
    let evaluators = (&evaluator, without_socket.as_ref());
    add_verdicts(&mut explanation, evaluators, &destination, status.as_ref())?;
    if args.trace {
        trace::add(&mut explanation, &pins);
    }
    let now = Timestamp::now();
    explanation.fix = fix::propose(&explanation, &destination, status.as_ref(), now);
    Ok(explanation)
}

/// Adds the verdict on each address of `destination`.
fn add_verdicts(
    explanation: &mut Explanation,
    (evaluator, without_socket): (&Evaluator, Option<&WithoutSocket>),
    destination: &Destination,
    status: Option<&Status>,
) -> Result<()> {
    let port = explanation.port.unwrap_or(HTTPS);
    for address in destination.addresses() {
        let (protocol, sni) = (explanation.protocol, explanation.sni.as_deref());
        let verdict = evaluator.evaluate(*address, protocol, port, sni)?;
        let without_socket = without_socket.map(|at| at.evaluate(*address, protocol, port, sni));
        let without_socket = without_socket.transpose()?;
        explanation.add(*address, verdict, known_names(status, *address));
        explanation.add_without_socket(without_socket);
        explanation.notes.extend(hosts_lines(status, *address));
    }
    Ok(())
}

/// Returns the port of the option or of the destination; they may not differ.
fn port(option: Option<u16>, parsed: Option<u16>) -> Result<u16> {
    match (option, parsed) {
        (Some(option), Some(parsed)) if option != parsed => {
            bail!(
                "--port {option} and the port {parsed} in the destination differ: remove one of them"
            )
        }
        (Some(port), _) | (None, Some(port)) => Ok(port),
        (None, None) => Ok(HTTPS),
    }
}

/// Returns the hooks that are not attached, according to the daemon or, where none answers, to the pinned links.
fn missing_hooks(pins: &Pins, status: Option<&Status>) -> MissingHooks {
    let attached = status.map_or_else(|| pins.attached(), |status| status.hooks.clone());
    MissingHooks::new(&attached)
}

/// Opens the pins, where they are in force.
fn pins_in_force(paths: &Paths, daemon_runs: bool) -> Result<Pins> {
    let pins = Pins::new(&paths.pins);
    let enforced = pins.judge()?;
    if !pins.are_loaded() {
        return Err(KernelError::NotLoaded {
            path: paths.pins.clone(),
        }
        .into());
    }
    if !daemon_runs && !enforced {
        bail!(
            "nothing is enforced: no daemon answers, and the programs pinned in {} are not attached; start the daemon, or remove what a killed one left behind (`egress-enforcer unload`)",
            paths.pins.display()
        );
    }
    Ok(pins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ports_may_not_differ() {
        assert_eq!(port(None, None).unwrap(), 443);
        assert_eq!(port(Some(80), None).unwrap(), 80);
        assert_eq!(port(None, Some(80)).unwrap(), 80);
        assert_eq!(port(Some(80), Some(80)).unwrap(), 80);
        let error = port(Some(443), Some(80)).unwrap_err().to_string();
        assert!(error.contains("remove one of them"), "{error}");
    }

    #[test]
    fn nothing_loaded_is_an_error() {
        let paths = Paths {
            pins: "/nonexistent/pins".into(),
            ..Paths::default()
        };
        let error = pins_in_force(&paths, true).unwrap_err().to_string();
        assert!(error.contains("nothing is loaded"), "{error}");
    }
}
