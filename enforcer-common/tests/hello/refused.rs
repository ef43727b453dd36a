//! What a hello must not be.

use enforcer_common::Reason::{
    self, HelloUnreadable, NoServerName, NotTls, ServerNameAddress, ServerNameElsewhere,
    ServerNameUnknown,
};

use crate::hello::{
    Extension, Hello, PADDING, SERVER_NAME, message, record, server_name, server_names, sized,
};
use crate::world::{Client, ELSEWHERE, NAME, World, outcome, whole};

fn is_refused(what: &str, bytes: &[u8], reason: Reason) {
    assert_eq!(whole(&World::new(), bytes), Err(reason), "{what}");
}

fn only(extension: Extension) -> Vec<u8> {
    Hello::with(vec![extension]).bytes()
}

/// A classic hello with other bytes at a place.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut hello = Hello::classic(NAME).bytes();
    hello[at..at + bytes.len()].copy_from_slice(bytes);
    hello
}

/// A classic hello whose field of two bytes at a place is larger by so much.
fn lying(at: usize, by: u16) -> Vec<u8> {
    let hello = Hello::classic(NAME).bytes();
    let told = u16::from_be_bytes([hello[at], hello[at + 1]]);
    patched(at, &told.wrapping_add(by).to_be_bytes())
}

#[test]
fn what_is_no_client_hello_is_not_tls() {
    is_refused(
        "HTTP",
        b"GET / HTTP/1.1\r\nHost: contoso.azurecr.io\r\n\r\n",
        NotTls,
    );
    is_refused("SSH", b"SSH-2.0-OpenSSH_9.6\r\n", NotTls);
    is_refused("an alert", &patched(0, &[21]), NotTls);
    is_refused("application data", &patched(0, &[23]), NotTls);
    is_refused("version 2", &patched(1, &[2]), NotTls);
    is_refused("version 254 of DTLS", &patched(1, &[254]), NotTls);
    is_refused("a ServerHello", &patched(5, &[2]), NotTls);
    // RFC 5246 appendix E.2: what SSL 2.0 clients sent.
    is_refused(
        "SSL 2.0",
        &[0x80, 0x2e, 1, 3, 1, 0, 21, 0, 0, 0, 16],
        NotTls,
    );
}

#[test]
fn what_cannot_become_tls_is_refused_at_its_first_byte() {
    for len in 1..5 {
        is_refused("HTTP", &b"GET /"[..len], NotTls);
        assert_eq!(whole(&World::new(), &patched(0, &[])[..len]), Ok(false));
    }
    for len in 2..5 {
        is_refused("version 2", &patched(1, &[2])[..len], NotTls);
    }
}

#[test]
fn a_hello_names_a_server() {
    let without = Hello {
        extensions: None,
        ..Hello::classic(NAME)
    };
    is_refused("no extensions", &without.bytes(), NoServerName);
    is_refused(
        "none of them",
        &Hello::with(Vec::new()).bytes(),
        NoServerName,
    );
    is_refused("another one", &only((PADDING, vec![0; 40])), NoServerName);
    is_refused(
        "another one without data",
        &only((PADDING, Vec::new())),
        NoServerName,
    );
}

#[test]
fn a_hello_names_one_server_once() {
    let [one, other] = [NAME, "example.com"].map(str::as_bytes);
    for (first, second) in [(one, other), (other, one), (one, one)] {
        let names = server_names(&[(0, first), (0, second)]);
        is_refused("two in a list", &only(names), HelloUnreadable);
    }
    for second in [one, other] {
        let names = vec![server_name(one), server_name(second)];
        is_refused(
            "two extensions",
            &Hello::with(names).bytes(),
            HelloUnreadable,
        );
    }
    let apart = vec![
        server_name(one),
        (PADDING, vec![0; 9]),
        (SERVER_NAME, Vec::new()),
    ];
    is_refused(
        "an empty one later",
        &Hello::with(apart).bytes(),
        HelloUnreadable,
    );
    is_refused(
        "of another type",
        &only(server_names(&[(1, one)])),
        HelloUnreadable,
    );
    let types = server_names(&[(0, one), (1, other)]);
    is_refused("and one of another type", &only(types), HelloUnreadable);
}

#[test]
fn a_list_of_names_fills_its_extension_and_a_name_its_list() {
    is_refused("no list", &only((SERVER_NAME, Vec::new())), HelloUnreadable);
    is_refused("an empty list", &only(server_names(&[])), HelloUnreadable);
    is_refused("an empty name", &only(server_name(b"")), HelloUnreadable);
    let (_, data) = server_name(NAME.as_bytes());
    for (at, by) in [(1, 1), (1, 255), (4, 1), (4, 255), (0, 1), (3, 1)] {
        let mut data = data.clone();
        data[at] = data[at].wrapping_add(by);
        is_refused("a length", &only((SERVER_NAME, data)), HelloUnreadable);
    }
    // The second could be taken for an extension behind this one.
    for more in [&[0][..], &[0, 21, 0, 0]] {
        let behind_list = [&data, more].concat();
        let behind_name = sized(2, &[&data[2..], more].concat());
        for data in [behind_list, behind_name] {
            is_refused("a tail", &only((SERVER_NAME, data)), HelloUnreadable);
        }
    }
}

#[test]
fn a_name_is_of_letters_digits_hyphens_underscores_and_single_dots() {
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
        let hello = Hello::classic(name).bytes();
        assert_eq!(
            whole(&World::new(), &hello),
            Err(HelloUnreadable),
            "{name:?}"
        );
    }
    let longest = format!("{}.io", "a".repeat(250));
    is_refused(
        "253 bytes",
        &Hello::classic(&longest).bytes(),
        ServerNameUnknown,
    );
    let longer = format!("{}.io", "a".repeat(251));
    is_refused(
        "254 bytes",
        &Hello::classic(&longer).bytes(),
        HelloUnreadable,
    );
}

#[test]
fn a_name_is_an_allowed_one_that_leads_here() {
    for name in [
        "example.com",
        "192.0.2.1.example.com",
        "contoso",
        "contoso.azurecr.i",
        "contoso.azurecr.ioo",
        "xcontoso.azurecr.io",
        "x.contoso.azurecr.io",
    ] {
        is_refused(name, &Hello::classic(name).bytes(), ServerNameUnknown);
    }
    is_refused(
        ELSEWHERE,
        &Hello::classic(ELSEWHERE).bytes(),
        ServerNameElsewhere,
    );
}

#[test]
fn an_address_is_no_name() {
    for address in [
        "192.0.2.1",
        "1",
        "2001:db8::1",
        "::1",
        "fe80::",
        "::ffff:192.0.2.1",
    ] {
        let hello = Hello::classic(address).bytes();
        is_refused(address, &hello, ServerNameAddress);
        for cut in 0..hello.len() {
            let cut = outcome(&World::new(), &hello, &[cut]);
            assert_eq!(cut, Err(ServerNameAddress), "{address}");
        }
    }
}

#[test]
fn letters_count_in_either_case() {
    for name in ["CONTOSO.AZURECR.IO", "Contoso.azureCR.io"] {
        assert_eq!(
            whole(&World::new(), &Hello::classic(name).bytes()),
            Ok(true)
        );
    }
}

#[test]
fn a_star_is_one_second_label() {
    for name in [
        "contoso.eastus.data.azurecr.io",
        "contoso.e.data.azurecr.io",
        "contoso.WestEurope-2.data.azurecr.io",
    ] {
        let hello = Hello::classic(name).bytes();
        assert_eq!(whole(&World::new(), &hello), Ok(true), "{name}");
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
        is_refused(name, &Hello::classic(name).bytes(), ServerNameUnknown);
    }
}

#[test]
fn lengths_add_up() {
    // Places in a classic hello: record 3, message 7, session id 43, suites 44, compressions 52, extensions 54, the first one 58.
    for (what, at) in [("record", 3), ("message", 7), ("extensions", 54)] {
        for by in [1, 2, 4, 256, u16::MAX, u16::MAX - 3] {
            is_refused(what, &lying(at, by), HelloUnreadable);
        }
    }
    for (what, at) in [("suites", 44), ("extension", 58)] {
        for by in [1, u16::MAX, 0x4000] {
            is_refused(what, &lying(at, by), HelloUnreadable);
        }
    }
    is_refused(
        "3rd byte of the message",
        &patched(6, &[1]),
        HelloUnreadable,
    );
    is_refused("session id", &patched(43, &[33]), HelloUnreadable);
    is_refused("no suites", &patched(44, &[0, 0]), HelloUnreadable);
    is_refused("no compressions", &patched(52, &[0]), HelloUnreadable);
    is_refused("empty record", &record(&[]), HelloUnreadable);
    is_refused("empty message", &record(&message(&[])), HelloUnreadable);
}

#[test]
fn a_record_holds_no_more_than_the_hello() {
    let hello = message(&Hello::classic(NAME).body());
    let both = record(&[&hello[..], &hello].concat());
    is_refused("two messages", &both, HelloUnreadable);
    let trailing = record(&[&hello[..], &[0]].concat());
    is_refused("a byte behind the message", &trailing, HelloUnreadable);
    let body = Hello::classic(NAME).body();
    let inside = record(&message(&[&body[..], &[0]].concat()));
    is_refused("a byte behind the extensions", &inside, HelloUnreadable);
}

#[test]
fn a_record_holds_16_kib() {
    let filled = |padding| {
        let name = server_name(NAME.as_bytes());
        Hello::with(vec![name, (PADDING, vec![0; padding])])
    };
    let rest = filled(0).bytes().len() - 5;
    let largest = filled((1 << 14) - rest).bytes();
    assert_eq!(whole(&World::new(), &largest), Ok(true));
    is_refused(
        "a byte more",
        &filled((1 << 14) - rest + 1).bytes(),
        HelloUnreadable,
    );
}

#[test]
fn a_denial_for_the_name_tells_the_name() {
    let world = World::new();
    for (name, read) in [
        ("Example.com", "example.com"),
        (ELSEWHERE, ELSEWHERE),
        ("contoso.azurecr.io.", "contoso.azurecr.io."),
    ] {
        let bytes = Hello::classic(name).bytes();
        let mut client = Client::new(&world);
        assert!(client.part(&world, &bytes, 0..bytes.len()).is_err());
        assert_eq!(client.name().as_deref(), Some(read));
    }
}
