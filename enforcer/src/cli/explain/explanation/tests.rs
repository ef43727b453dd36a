//! Explanations as text and JSON, and one for the tests of their fixes.

use enforcer_common::Reason;

use super::super::places::tests::places;
use super::*;
use crate::core::DeviceState;

pub(crate) fn explanation(destination: &str, reasons: &[(&str, Reason)]) -> Explanation {
    let mut explanation = Explanation::new(
        destination.to_owned(),
        Protocol::Tcp,
        HTTPS,
        Initiator::default(),
        "the loaded kernel program on the live maps",
    );
    for (address, reason) in reasons {
        let verdict = Evaluation::new(*reason, !reason.denies());
        explanation.add(address.parse().unwrap(), verdict, Vec::new());
    }
    explanation
}

#[test]
fn one_denied_address_makes_a_denial() {
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
    let add = |missing: Hook| {
        let mut explanation = explanation("20.38.98.100", &[]);
        let attached = Hook::CGROUP.into_iter().filter(|hook| *hook != missing);
        explanation.set_missing_hooks(MissingHooks::new(&Vec::from_iter(attached)));
        let verdict = Evaluation::new(Reason::Storage, false);
        explanation.add("20.38.98.100".parse().unwrap(), verdict, Vec::new());
        (explanation.passes, explanation.to_string())
    };
    let (passes, text) = add(Hook::Egress);
    assert!(passes && text.contains("is not enforced"), "{text}");
    assert!(text.contains("not attached: egress"), "{text}");
    let (passes, text) = add(Hook::Connect4);
    assert!(!passes && text.contains("port 443: denied\n"), "{text}");
    assert!(text.contains("not attached: connect4"), "{text}");
}

#[test]
fn a_device_enforces_without_the_egress_hook_and_judges_packets_without_a_socket() {
    let mut explanation = explanation("20.38.98.100", &[]);
    explanation.places = places(&[("eth0", DeviceState::Filtered)]);
    explanation.set_missing_hooks(MissingHooks::new(&[]));
    let verdict = || Evaluation::new(Reason::Storage, false);
    explanation.add("20.38.98.100".parse().unwrap(), verdict(), Vec::new());
    let allowed = Evaluation::new(Reason::ExceptionPrefix, true);
    explanation.add_without_socket(Some(allowed));
    assert!(!explanation.passes);
    let text = explanation.to_string();
    let sentence = Reason::ExceptionPrefix.sentence();
    let without_socket = format!("packet socket): allowed: {sentence}\n");
    assert!(text.contains("port 443: denied\n") && text.contains(&without_socket));
    let json = serde_json::to_value(explanation).unwrap();
    let without_socket = &json["answers"][0]["without-socket"];
    assert_eq!(without_socket["reason"], "exception-prefix");
}

#[test]
fn json_has_verdict_and_reason_of_each_address() {
    let explanation = explanation("20.38.98.100", &[("20.38.98.100", Reason::Storage)]);
    let json = serde_json::to_value(explanation).unwrap();
    assert_eq!(json["verdict"], "deny");
    assert_eq!(json["answers"][0]["reason"], "storage");
    assert_eq!(json["answers"][0]["address"], "20.38.98.100");
}

#[test]
fn one_address_has_its_verdict_and_its_reason() {
    let explanation = explanation("20.38.98.100", &[("20.38.98.100", Reason::Storage)]);
    let expected = "\
20.38.98.100, TCP port 443: denied
  an Azure storage address that no allowed name resolves to
  judged at sockets only: no network device has a filter
  answered by the loaded kernel program on the live maps
";
    assert_eq!(explanation.to_string(), expected);
}

#[test]
fn several_addresses_have_a_line_each() {
    let answers = [
        ("20.42.66.0", Reason::AllowedName),
        ("20.42.66.9", Reason::Registry),
    ];
    let mut explanation = explanation("contoso.azurecr.io", &answers);
    explanation.name_allowed = Some(true);
    explanation.initiator.unit = Some("agent.service".to_owned());
    explanation.sni = Some("contoso.azurecr.io".to_owned());
    explanation.answers[0].names = vec!["contoso.azurecr.io".parse().unwrap()];
    let expected = "\
contoso.azurecr.io, TCP port 443, TLS from agent.service: denied
  20.42.66.0: allowed: an allowed name resolves to it
  names that resolve to 20.42.66.0: contoso.azurecr.io
  20.42.66.9: denied: an Azure container registry address that no allowed name resolves to
  contoso.azurecr.io is a name of a configured registry
  judged at sockets only: no network device has a filter
  answered by the loaded kernel program on the live maps
";
    assert_eq!(explanation.to_string(), expected);
}
