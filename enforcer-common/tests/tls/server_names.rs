//! The extension `server_name`: which names are accepted.

use enforcer_common::Reason::{
    HelloUnreadable, NoServerName, ServerNameAddress, ServerNameElsewhere, ServerNameUnknown,
};
use test_data::client_hello::{
    ClientHello, Extension,
    extension::{PADDING, SERVER_NAME},
    length_prefixed, server_name, server_names,
};

use crate::denied::is_denied;
use crate::fixture::{Client, ELSEWHERE, NAME, TestPolicy, outcome, outcome_at_once};

fn only(extension: Extension) -> Vec<u8> {
    ClientHello::with_extensions(vec![extension]).bytes()
}

#[test]
fn hello_without_a_server_name_is_denied() {
    let without = ClientHello {
        extensions: None,
        ..ClientHello::tls12(NAME)
    };
    is_denied("no extensions", &without.bytes(), NoServerName);
    is_denied(
        "none of them",
        &ClientHello::with_extensions(Vec::new()).bytes(),
        NoServerName,
    );
    is_denied("another one", &only((PADDING, vec![0; 40])), NoServerName);
    is_denied(
        "another one without data",
        &only((PADDING, Vec::new())),
        NoServerName,
    );
}

#[test]
fn hello_with_several_server_names_is_denied() {
    let [one, other] = [NAME, "example.com"].map(str::as_bytes);
    for (first, second) in [(one, other), (other, one), (one, one)] {
        let names = server_names(&[(0, first), (0, second)]);
        is_denied("two in a list", &only(names), HelloUnreadable);
    }
    for second in [one, other] {
        let names = vec![server_name(one), server_name(second)];
        is_denied(
            "two extensions",
            &ClientHello::with_extensions(names).bytes(),
            HelloUnreadable,
        );
    }
    let apart = vec![
        server_name(one),
        (PADDING, vec![0; 9]),
        (SERVER_NAME, Vec::new()),
    ];
    is_denied(
        "an empty one later",
        &ClientHello::with_extensions(apart).bytes(),
        HelloUnreadable,
    );
    is_denied(
        "of another type",
        &only(server_names(&[(1, one)])),
        HelloUnreadable,
    );
    let types = server_names(&[(0, one), (1, other)]);
    is_denied("and one of another type", &only(types), HelloUnreadable);
}

#[test]
fn server_name_lengths_must_add_up() {
    is_denied("no list", &only((SERVER_NAME, Vec::new())), HelloUnreadable);
    is_denied("an empty list", &only(server_names(&[])), HelloUnreadable);
    is_denied("an empty name", &only(server_name(b"")), HelloUnreadable);
    let (_, data) = server_name(NAME.as_bytes());
    for (at, by) in [(1, 1), (1, 255), (4, 1), (4, 255), (0, 1), (3, 1)] {
        let mut data = data.clone();
        data[at] = data[at].wrapping_add(by);
        is_denied("a length", &only((SERVER_NAME, data)), HelloUnreadable);
    }
    // The second tail could be parsed as the next extension.
    for more in [&[0][..], &[0, 21, 0, 0]] {
        let after_list = [&data, more].concat();
        let after_name = length_prefixed(2, &[&data[2..], more].concat());
        for data in [after_list, after_name] {
            is_denied("a tail", &only((SERVER_NAME, data)), HelloUnreadable);
        }
    }
}

#[test]
fn server_name_with_other_characters_is_denied() {
    for name in [
        "contoso.azurecr.io\0",
        "contoso.azurecr.io\0.example.com",
        "\0contoso.azurecr.io",
        "contoso.azurecr.io/",
        "contoso.azurecr.io:443",
        "contoso.azurecr.io ",
        "contoso.*.data.azurecr.io",
        "*",
        "contosö.azurecr.io",
        ".",
        "..",
        ".contoso.azurecr.io",
        "contoso.azurecr.io.",
        "contoso.azurecr.io..",
        "contoso..azurecr.io",
        "contoso.azurecr..io",
    ] {
        let hello = ClientHello::tls12(name).bytes();
        assert_eq!(
            outcome_at_once(&TestPolicy::new(), &hello),
            Err(HelloUnreadable),
            "{name:?}"
        );
    }
    let longest = format!("{}.io", "a".repeat(250));
    is_denied(
        "253 bytes",
        &ClientHello::tls12(&longest).bytes(),
        ServerNameUnknown,
    );
    let longer = format!("{}.io", "a".repeat(251));
    is_denied(
        "254 bytes",
        &ClientHello::tls12(&longer).bytes(),
        HelloUnreadable,
    );
}

#[test]
fn unknown_and_elsewhere_names_are_denied() {
    for name in [
        "example.com",
        "192.0.2.1.example.com",
        "contoso",
        "contoso.azurecr.i",
        "contoso.azurecr.ioo",
        "xcontoso.azurecr.io",
        "x.contoso.azurecr.io",
    ] {
        is_denied(name, &ClientHello::tls12(name).bytes(), ServerNameUnknown);
    }
    is_denied(
        ELSEWHERE,
        &ClientHello::tls12(ELSEWHERE).bytes(),
        ServerNameElsewhere,
    );
}

#[test]
fn address_as_server_name_is_denied() {
    for address in [
        "192.0.2.1",
        "1",
        "2001:db8::1",
        "::1",
        "fe80::",
        "::ffff:192.0.2.1",
    ] {
        let hello = ClientHello::tls12(address).bytes();
        is_denied(address, &hello, ServerNameAddress);
        for cut in 0..hello.len() {
            let cut = outcome(&TestPolicy::new(), &hello, &[cut]);
            assert_eq!(cut, Err(ServerNameAddress), "{address}");
        }
    }
}

#[test]
fn server_name_is_case_insensitive() {
    for name in ["CONTOSO.AZURECR.IO", "Contoso.azureCR.io"] {
        assert_eq!(
            outcome_at_once(&TestPolicy::new(), &ClientHello::tls12(name).bytes()),
            Ok(true)
        );
    }
}

#[test]
fn wildcard_matches_exactly_the_second_label() {
    for name in [
        "contoso.eastus.data.azurecr.io",
        "contoso.e.data.azurecr.io",
        "contoso.WestEurope-2.data.azurecr.io",
    ] {
        let hello = ClientHello::tls12(name).bytes();
        assert_eq!(
            outcome_at_once(&TestPolicy::new(), &hello),
            Ok(true),
            "{name}"
        );
    }
    for name in [
        "contoso.data.azurecr.io",
        "contoso.east.us.data.azurecr.io",
        "eastus.contoso.data.azurecr.io",
        "fabrikam.eastus.data.azurecr.io",
        "contoso.eastus.data.azurecr.io.example.com",
        "contoso.eastus.data.azurecr",
        "contoso.eastus",
    ] {
        is_denied(name, &ClientHello::tls12(name).bytes(), ServerNameUnknown);
    }
}

#[test]
fn denial_reports_the_name() {
    let policy = TestPolicy::new();
    for (name, read) in [
        ("Example.com", "example.com"),
        (ELSEWHERE, ELSEWHERE),
        ("contoso.azurecr.io.", "contoso.azurecr.io."),
    ] {
        let bytes = ClientHello::tls12(name).bytes();
        let mut client = Client::new(&policy);
        assert!(client.send_range(&policy, &bytes, 0..bytes.len()).is_err());
        assert_eq!(client.name().as_deref(), Some(read));
    }
}
