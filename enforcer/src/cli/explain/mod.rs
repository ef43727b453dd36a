//! `explain`: whether a destination is reachable, and why.

mod destination;
mod fix;
mod judge;
mod shown;

use std::net::IpAddr;

use anyhow::{Result, bail};
use enforcer_common::Hook;
use jiff::Timestamp;
use serde::Serialize;

use self::destination::{Destination, Written, known_names, lines_of_hosts};
use self::fix::fix;
use self::judge::{Judge, Judged, Whose};
use super::args::{ExplainArgs, Protocol};
use super::daemon_link::status_if_running;
use super::exit::Exit;
use super::places::Places;
use super::printer::Printer;
use crate::config::Paths;
use crate::control::Status;
use crate::kernel::{KernelError, Pins};
use crate::name::Name;

/// The port that names open.
const HTTPS: u16 = 443;

/// Asks about one destination: denied if any of its addresses is.
pub(super) fn explain(places: &Places, args: ExplainArgs) -> Result<Exit> {
    let paths = places.paths()?;
    let written = Written::parse(&args.destination)?;
    let mut notes = Vec::new();
    let status = status_if_running(&paths).unwrap_or_else(|error| {
        notes.push(format!("names are not known: {error}"));
        None
    });
    let pins = pins_in_force(&paths, status.is_some() || !notes.is_empty())?;
    let port = port(args.port, written.port)?;
    let is_https = args.proto == Protocol::Tcp && port == HTTPS;
    if args.sni.is_some() && !is_https {
        bail!(
            "--sni asks about a TLS handshake, which is checked for names on TCP port 443 only: leave --proto and other ports out"
        );
    }
    let whose = Whose {
        unit: args.unit,
        cgroup: args.cgroup,
    };
    let judge = Judge::open(&pins, &whose, status.as_ref())?;
    let destination = Destination::resolve(written.host, status.as_ref(), &mut notes)?;
    let named = destination.name().filter(|_| is_https);
    let mut explanation = Explanation {
        protocol: args.proto,
        port: (args.proto != Protocol::Icmp).then_some(port),
        sni: args.sni.or_else(|| named.map(ToString::to_string)),
        destination: destination.to_string(),
        whose,
        verdict: "allow",
        passes: true,
        name_allowed: destination.is_allowed(status.as_ref()),
        answered_by: judge.word(),
        missing_hooks: Vec::new(),
        answers: Vec::new(),
        notes,
        fix: None,
    };
    explanation.miss(missing_hooks(&pins, status.as_ref()));
    for address in destination.addresses() {
        let judged = match &explanation.sni {
            Some(server_name) => judge.ask_hello(*address, server_name)?,
            None => judge.ask(*address, args.proto, port)?,
        };
        explanation.add(*address, judged, known_names(status.as_ref(), *address));
        let lines = lines_of_hosts(status.as_ref(), *address);
        explanation.notes.extend(lines);
    }
    explanation.fix = fix(
        &explanation,
        &destination,
        status.as_ref(),
        Timestamp::now(),
    );
    Printer::stdout(args.output.json).report(&explanation)?;
    Ok(if explanation.is_denied() {
        Exit::No
    } else {
        Exit::Done
    })
}

/// The port of the option or of the destination, which may not differ.
fn port(option: Option<u16>, written: Option<u16>) -> Result<u16> {
    match (option, written) {
        (Some(option), Some(written)) if option != written => {
            bail!("--port {option} and the port {written} in the destination differ: leave one out")
        }
        (Some(port), _) | (None, Some(port)) => Ok(port),
        (None, None) => Ok(HTTPS),
    }
}

/// The hooks that are not attached: by the daemon's word, or where none answers by the links that are pinned.
fn missing_hooks(pins: &Pins, status: Option<&Status>) -> Vec<&'static str> {
    let Some(status) = status else {
        return pins.missing().into_iter().map(Hook::word).collect();
    };
    let is_missing = |hook: &&str| !status.hooks.iter().any(|attached| attached == hook);
    Hook::ALL
        .into_iter()
        .map(Hook::word)
        .filter(is_missing)
        .collect()
}

/// The pins, where what they hold is in force.
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
            "nothing is enforced: no daemon answers, and what is pinned in {} is attached nowhere; start the daemon, or clear away what a killed one left (`egress-enforcer unload`)",
            paths.pins.display()
        );
    }
    Ok(pins)
}

/// What is known about a destination.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Explanation {
    destination: String,
    protocol: Protocol,
    port: Option<u16>,
    #[serde(flatten)]
    whose: Whose,
    #[serde(skip_serializing_if = "Option::is_none")]
    sni: Option<String>,
    verdict: &'static str,
    passes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_allowed: Option<bool>,
    answered_by: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_hooks: Vec<&'static str>,
    answers: Vec<Answer>,
    notes: Vec<String>,
    fix: Option<String>,
}

/// What is known about one address.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Answer {
    address: IpAddr,
    #[serde(flatten)]
    judged: Judged,
    names: Vec<Name>,
}

impl Explanation {
    /// Takes note of hooks that are not attached. What the egress hook denies passes without it; the other hooks only refuse earlier.
    fn miss(&mut self, hooks: Vec<&'static str>) {
        if !hooks.is_empty() {
            self.notes.push(format!(
                "not attached: {}; `egress-enforcer status` says more",
                hooks.join(", ")
            ));
        }
        self.missing_hooks = hooks;
    }

    fn add(&mut self, address: IpAddr, mut judged: Judged, names: Vec<Name>) {
        judged.passes |= self.missing_hooks.contains(&Hook::Egress.word());
        if judged.is_denied() {
            self.verdict = judged.verdict;
        }
        self.passes &= judged.passes;
        self.answers.push(Answer {
            address,
            judged,
            names,
        });
    }

    fn is_denied(&self) -> bool {
        self.answers.iter().any(|answer| answer.judged.is_denied())
    }

    /// Whether TCP port 443 is meant, the one that names open.
    fn is_https(&self) -> bool {
        self.protocol == Protocol::Tcp && self.port == Some(HTTPS)
    }
}

#[cfg(test)]
mod tests {
    use enforcer_common::Reason;

    use super::*;

    pub(super) fn explanation(destination: &str, reasons: &[(&str, Reason)]) -> Explanation {
        let mut explanation = Explanation {
            destination: destination.to_owned(),
            protocol: Protocol::Tcp,
            port: Some(443),
            whose: Whose::default(),
            sni: None,
            verdict: "allow",
            passes: true,
            name_allowed: None,
            answered_by: "the loaded kernel program on the live maps",
            missing_hooks: Vec::new(),
            answers: Vec::new(),
            notes: Vec::new(),
            fix: None,
        };
        for (address, reason) in reasons {
            let judged = Judged::new(*reason, !reason.denies());
            explanation.add(address.parse().unwrap(), judged, Vec::new());
        }
        explanation
    }

    #[test]
    fn one_denied_address_is_enough_for_a_denial() {
        let mixed = [
            ("20.42.66.0", Reason::AllowedName),
            ("20.38.98.100", Reason::Storage),
            ("20.42.66.1", Reason::AllowedName),
        ];
        let explanation = explanation("contoso.azurecr.io", &mixed);
        assert!(explanation.is_denied());
        assert_eq!((explanation.verdict, explanation.passes), ("deny", false));
    }

    #[test]
    fn what_the_egress_hook_denies_passes_without_it() {
        let add = |hooks: Vec<&'static str>| {
            let mut explanation = explanation("20.38.98.100", &[]);
            explanation.miss(hooks);
            let judged = Judged::new(Reason::Storage, false);
            explanation.add("20.38.98.100".parse().unwrap(), judged, Vec::new());
            (explanation.passes, explanation.to_string())
        };
        let (passes, text) = add(vec!["egress"]);
        assert!(passes && text.contains("is not enforced"), "{text}");
        assert!(text.contains("not attached: egress"), "{text}");
        let (passes, text) = add(vec!["connect4"]);
        assert!(!passes && text.contains("port 443: denied\n"), "{text}");
        assert!(text.contains("not attached: connect4"), "{text}");
    }

    #[test]
    fn a_port_stands_in_one_place_or_twice_the_same() {
        assert_eq!(port(None, None).unwrap(), 443);
        assert_eq!(port(Some(80), None).unwrap(), 80);
        assert_eq!(port(None, Some(80)).unwrap(), 80);
        assert_eq!(port(Some(80), Some(80)).unwrap(), 80);
        let error = port(Some(443), Some(80)).unwrap_err().to_string();
        assert!(error.contains("leave one out"), "{error}");
    }

    #[test]
    fn json_names_verdict_and_reason_of_each_address() {
        let explanation = explanation("20.38.98.100", &[("20.38.98.100", Reason::Storage)]);
        let json = serde_json::to_value(explanation).unwrap();
        assert_eq!(json["verdict"], "deny");
        assert_eq!(json["answers"][0]["reason"], "storage");
        assert_eq!(json["answers"][0]["address"], "20.38.98.100");
    }

    #[test]
    fn nothing_loaded_is_no_verdict() {
        let paths = Paths {
            pins: "/nonexistent/pins".into(),
            ..Paths::default()
        };
        let error = pins_in_force(&paths, true).unwrap_err().to_string();
        assert!(error.contains("nothing is loaded"), "{error}");
    }
}
