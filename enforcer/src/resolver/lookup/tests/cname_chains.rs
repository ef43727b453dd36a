//! Which records of an answer are used.

use std::collections::BTreeSet;

use hickory_resolver::proto::op::ResponseCode;

use super::*;
use crate::resolver::lookup::test_server::{Build, Transport};

/// The observed chain of a login server, with its TTLs.
fn login_server(message: Message) -> Message {
    message
        .cname("contoso.azurecr.io.", 2881, "eus-3.fe.azcr.io.")
        .cname(
            "eus-3.fe.azcr.io.",
            300,
            "eus-3-acr-reg.trafficmanager.net.",
        )
        .cname(
            "eus-3-acr-reg.trafficmanager.net.",
            60,
            "r0330.eastus.cloudapp.azure.com.",
        )
}

#[test]
fn a_chain_is_followed_to_both_families_with_its_lowest_ttl() {
    let (answer, asked) = ask_one(|asked, message| {
        let owner = "r0330.eastus.cloudapp.azure.com.";
        Some(match asked.is_v4() {
            true => {
                login_server(message)
                    .a(owner, 10, [20, 42, 66, 0])
                    .a(owner, 10, [20, 42, 66, 1])
            }
            false => login_server(message).aaaa(owner, 90, "2603:1030::1"),
        })
    });
    let v4 = answer.v4.unwrap();
    assert_eq!(
        v4.addresses,
        ["20.42.66.0", "20.42.66.1"].map(|a| a.parse::<IpAddr>().unwrap())
    );
    assert_eq!(v4.ttl, Duration::from_secs(10));
    let chain: Vec<_> = v4.chain.iter().map(Name::as_str).collect();
    assert_eq!(
        chain,
        [
            "eus-3.fe.azcr.io",
            "eus-3-acr-reg.trafficmanager.net",
            "r0330.eastus.cloudapp.azure.com"
        ]
    );
    let v6 = answer.v6.unwrap();
    assert_eq!(v6.addresses, ["2603:1030::1".parse::<IpAddr>().unwrap()]);
    assert_eq!(v6.ttl, Duration::from_secs(60));
    assert_eq!(asked.len(), 2);
    assert!(
        asked
            .iter()
            .all(|a| a.edns && a.transport == Transport::Udp),
        "{asked:?}"
    );
    assert!(
        asked
            .iter()
            .all(|a| a.name.eq_ignore_ascii_case("contoso.azurecr.io."))
    );
    // 16 letters stay lower case in both queries once in 2^32.
    assert!(
        asked.iter().any(|a| a.name != "contoso.azurecr.io."),
        "{asked:?}"
    );
}

#[test]
fn a_chain_in_any_order_is_followed() {
    let (answer, asked) = ask_one(|_, message| {
        Some(
            message
                .a("three.example.", 10, [20, 0, 0, 1])
                .cname("TWO.example.", 10, "three.example.")
                .cname("contoso.azurecr.io.", 10, "two.Example."),
        )
    });
    assert_eq!(addresses(answer.v4), ["20.0.0.1"]);
    assert_eq!(asked.iter().filter(|a| a.is_v4()).count(), 1);
}

#[test]
fn records_of_other_names_are_ignored() {
    let (answer, _) = ask_one(|_, message| {
        Some(
            message
                .a("contoso.azurecr.io.", 10, [20, 0, 0, 1])
                .a("evil.azurecr.io.", 10, [20, 0, 0, 2])
                .cname("other.azurecr.io.", 10, "contoso.azurecr.io.")
                .aaaa("contoso.azurecr.io.", 10, "2603:1030::1"),
        )
    });
    assert_eq!(addresses(answer.v4), ["20.0.0.1"]);
    assert_eq!(addresses(answer.v6), ["2603:1030::1"]);
}

#[test]
fn an_answer_about_another_name_only_has_no_address() {
    let (answer, _) = ask_one(|_, message| Some(message.a("evil.azurecr.io.", 10, [20, 0, 0, 2])));
    assert_eq!(failure(answer.v4), LookupFailure::NoAddress { ttl: None });
}

#[test]
fn an_incomplete_chain_is_queried_further() {
    let (answer, asked) = ask_one(|asked, message| {
        Some(if asked.name.eq_ignore_ascii_case("contoso.azurecr.io.") {
            message.cname("contoso.azurecr.io.", 30, "eus-3.fe.azcr.io.")
        } else {
            message.a("eus-3.fe.azcr.io.", 60, [20, 0, 0, 1]).aaaa(
                "eus-3.fe.azcr.io.",
                20,
                "2603:1030::1",
            )
        })
    });
    let v4 = answer.v4.unwrap();
    assert_eq!((v4.ttl, v4.chain.len()), (Duration::from_secs(30), 1));
    assert_eq!(answer.v6.unwrap().ttl, Duration::from_secs(20));
    assert_eq!(asked.len(), 4);
}

#[test]
fn a_chain_with_a_loop_is_an_error() {
    let (answer, _) = ask_one(|_, message| {
        Some(
            message
                .cname("contoso.azurecr.io.", 10, "two.example.")
                .cname("two.example.", 10, "contoso.azurecr.io."),
        )
    });
    assert!(failure(answer.v4).to_string().contains("loop"));
}

#[test]
fn chains_without_end_are_an_error() {
    let (answer, _) = ask_one(|_, message| {
        let link = |message: Message, n: u8| {
            message.cname(
                &format!("n{n}.example."),
                10,
                &format!("n{}.example.", n + 1),
            )
        };
        let first = message.cname("contoso.azurecr.io.", 10, "n0.example.");
        Some((0..20).fold(first, link))
    });
    assert!(failure(answer.v4).to_string().contains("more than 16"));
    let (answer, asked) = ask_one(|asked, message| {
        let owner = asked.name.to_ascii_lowercase();
        Some(message.cname(&owner, 10, &format!("x.{owner}")))
    });
    assert!(failure(answer.v4).to_string().contains("8 queries"));
    // On a busy machine a query is sent again.
    let distinct: BTreeSet<_> = asked
        .iter()
        .map(|asked| (asked.name.to_ascii_lowercase(), asked.is_v4()))
        .collect();
    assert_eq!(distinct.len(), 16);
}

#[test]
fn nxdomain_and_no_address_are_distinguished() {
    let (answer, _) = ask_one(|asked, message| {
        Some(match asked.is_v4() {
            true => message.code(ResponseCode::NXDomain).soa(900, 60),
            false => message.soa(900, 60),
        })
    });
    assert_eq!(failure(answer.v4), LookupFailure::NxDomain);
    let ttl = Some(Duration::from_secs(60));
    assert_eq!(failure(answer.v6), LookupFailure::NoAddress { ttl });
}

#[test]
fn a_chain_to_a_name_without_addresses_keeps_its_lowest_ttl() {
    let (answer, asked) = ask_one(|_, message| {
        Some(
            message
                .cname("contoso.azurecr.io.", 20, "eus-3.fe.azcr.io.")
                .soa(900, 300),
        )
    });
    let ttl = Some(Duration::from_secs(20));
    assert_eq!(failure(answer.v4), LookupFailure::NoAddress { ttl });
    assert_eq!(asked.len(), 2);
}

#[test]
fn a_chain_to_a_name_that_does_not_exist_is_nxdomain() {
    let (answer, _) = ask_one(|_, message| {
        let chain = message.cname("contoso.azurecr.io.", 20, "gone.fe.azcr.io.");
        Some(chain.code(ResponseCode::NXDomain).soa(900, 300))
    });
    assert_eq!(failure(answer.v4), LookupFailure::NxDomain);
}
