//! Keys with `*` for the second label.

use super::*;
use crate::layout::NameKey;

fn key(name: &str) -> NameKey {
    let mut key = [0; 256];
    key[..name.len()].copy_from_slice(name.as_bytes());
    key
}

/// Returns the wildcard key of `name`, after comparing that of the reader with that of [`wildcard`].
fn starred(name: &str) -> Option<String> {
    let reading = MessageReader::new();
    reading.set(&Message::response(name, 1).0);
    assert!(
        reading
            .question(Side::Server, MessageReader::walk)
            .is_some()
    );
    let read = Some(text(reading.wildcard())).filter(|key| !key.is_empty());
    let said = wildcard(&key(name)).map(|key| text(&key.map(Cell::new)));
    assert_eq!(read, said, "{name}");
    read
}

#[test]
fn only_the_second_label_is_replaced() {
    for (name, expected) in [
        (
            "contoso.eastus.data.azurecr.io",
            Some("contoso.*.data.azurecr.io"),
        ),
        (
            "contoso.e.data.azurecr.io",
            Some("contoso.*.data.azurecr.io"),
        ),
        (
            "contoso.x.y.data.azurecr.io",
            Some("contoso.*.y.data.azurecr.io"),
        ),
        ("contoso.data.azurecr.io", Some("contoso.*.azurecr.io")),
        ("contoso.azurecr.io", Some("contoso.*.io")),
        ("azurecr.io", None),
        ("localhost", None),
    ] {
        assert_eq!(starred(name).as_deref(), expected);
    }
}

#[test]
fn names_of_maximum_length_have_a_wildcard_key() {
    let long = vec!["a"; 127].join(".");
    assert_eq!(starred(&long), Some(long.replacen("a.a", "a.*", 1)));
    let wide = [
        "a".repeat(63),
        "b".repeat(63),
        "c".repeat(63),
        "d".repeat(61),
    ]
    .join(".");
    assert_eq!(starred(&wide), Some(wide.replace(&"b".repeat(63), "*")));
}

#[test]
fn what_follows_the_first_label_is_a_key_of_its_own() {
    let longest = format!("{}.blob.core.windows.net", "a".repeat(63));
    let labels = format!("{}.{}.{}", "b".repeat(63), "c".repeat(63), "d".repeat(61));
    for (name, parent) in [
        ("evil.blob.core.windows.net", Some(".blob.core.windows.net")),
        ("EVIL.Blob.Core.Windows.NET", Some(".blob.core.windows.net")),
        (&longest, Some(".blob.core.windows.net")),
        (
            &format!("{}.{labels}", "a".repeat(63)),
            Some(&*format!(".{labels}")),
        ),
        ("localhost", None),
    ] {
        let reading = MessageReader::new();
        reading.set(&Message::response(name, 1).0);
        assert!(
            reading
                .question(Side::Server, MessageReader::walk)
                .is_some()
        );
        assert_eq!(
            reading.parent().map(|key| text(key)).as_deref(),
            parent,
            "{name}"
        );
    }
}
