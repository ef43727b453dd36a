//! Endpoints files.

use super::*;
use crate::file::make_fifo;

#[test]
fn the_file_is_read_with_its_trailing_commas() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = shown(
        &["contoso.eastus.data.azurecr.io"],
        &["contoso.eastus.geo.azurecr.io"],
    );
    std::fs::write(file.path(), format!("\u{feff}{text}")).unwrap();
    let registry = Registry {
        endpoints_file: Some(file.path().to_owned()),
        ..contoso()
    };
    let found = endpoints(&registry, Cloud::Public).unwrap();
    assert_eq!(
        names(&found),
        [
            "contoso.azurecr.io",
            "contoso.eastus.data.azurecr.io",
            "contoso.eastus.geo.azurecr.io"
        ]
    );
    assert_eq!(found[2].kind, EndpointKind::Regional);
    assert_eq!(found[2].origin, Provenance::File(file.path().to_owned()));
}

/// What PowerShell's `>` writes.
fn utf16(text: &str) -> Vec<u8> {
    let units = format!("\u{feff}{text}").replace('\n', "\r\n");
    units.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn utf_16_is_read() {
    let text = shown(&["contoso.eastus.data.azurecr.io"], &[]);
    let login_server = contoso().login_server;
    let file = Path::new("contoso.json");
    let found = parse(&utf16(&text), file, &login_server, Cloud::Public).unwrap();
    assert_eq!(names(&found), ["contoso.eastus.data.azurecr.io"]);
    let cut = &utf16(&text)[..101];
    let error = parse(cut, file, &login_server, Cloud::Public).unwrap_err();
    assert!(matches!(error, EndpointError::Malformed { .. }), "{error}");
}

#[test]
fn an_error_shows_the_line_and_the_command_that_writes_the_file() {
    let good = shown(&["contoso.eastus.data.azurecr.io"], &[]);
    let command = "the output of `az acr show-endpoints --name contoso --output json`";
    for (text, words) in [
        (
            format!("WARNING: Command group 'acr' is in preview.\n{good}"),
            &[
                "line 1, `WARNING: Command group 'acr' is in preview.`",
                "standard error",
                "do not use `2>&1`",
            ][..],
        ),
        ("contoso\n".to_owned(), &["line 1, `contoso`, is not JSON"]),
        (
            good.replace("[{\"region\"", "{[\"region\""),
            &["line 3, `\"dataEndpoints\": {["],
        ),
        (
            good.replace("Contoso.azurecr.io", "Contoso"),
            &["loginServer is \"contoso\"", "\"contoso.azurecr.io\""],
        ),
        (
            shown(&["contoso"], &[]),
            &["\"contoso\" is not a fully qualified host name"],
        ),
        (shown(&[], &[]), &["has no data endpoint"]),
    ] {
        let error = read(&text).unwrap_err().to_string();
        for words in words.iter().chain(&["contoso.json: ", command]) {
            assert!(error.contains(words), "no {words:?} in {error}");
        }
        assert!(!error.contains("column"), "{error}");
    }
}

#[test]
fn the_error_for_a_wildcard_asks_to_enable_data_endpoints() {
    let error = read(&shown(&["*.blob.core.windows.net"], &[]))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("contoso.json: \"*.blob.core.windows.net\" means that"),
        "{error}"
    );
    assert!(
        error.contains("az acr update --name contoso --data-endpoint-enabled"),
        "{error}"
    );
}

#[test]
fn a_file_of_another_registry_is_refused() {
    let text = shown(&["contoso.eastus.data.azurecr.io"], &[])
        .replace("Contoso.azurecr.io", "fabrikam.azurecr.io");
    let error = read(&text).unwrap_err().to_string();
    assert!(
        error.contains("is for fabrikam.azurecr.io, not contoso.azurecr.io"),
        "{error}"
    );
}

#[test]
fn a_file_without_data_endpoints_is_refused() {
    for text in [
        shown(&[], &["contoso.eastus.geo.azurecr.io"]),
        "{\"loginServer\":\"contoso.azurecr.io\"}".to_owned(),
    ] {
        assert!(
            matches!(read(&text), Err(EndpointError::NoDataEndpoint { .. })),
            "{text}"
        );
    }
}

#[test]
fn a_truncated_or_different_file_is_refused() {
    let whole = shown(&["contoso.eastus.data.azurecr.io"], &[]);
    assert!(read(&whole).is_ok());
    for end in 0..whole.trim_end().len() {
        let error = read(&whole[..end]).unwrap_err();
        assert!(
            matches!(error, EndpointError::Malformed { .. }),
            "{end}: {error}"
        );
    }
    assert!(matches!(read("[]"), Err(EndpointError::Malformed { .. })));
    assert!(matches!(
        read(&shown(&["not a name"], &[])),
        Err(EndpointError::NotAName { .. })
    ));
}

#[test]
fn a_missing_special_or_too_large_file_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file()
        .set_len(show_endpoints::MAX_FILE + 1)
        .unwrap();
    let registry = |file: &Path| Registry {
        endpoints_file: Some(file.to_owned()),
        ..contoso()
    };
    let error = endpoints(&registry(file.path()), Cloud::Public).unwrap_err();
    assert!(matches!(error, EndpointError::TooLarge { .. }), "{error}");
    let directory = tempfile::tempdir().unwrap();
    let (missing, fifo) = (directory.path().join("none"), directory.path().join("fifo"));
    make_fifo(&fifo);
    for path in [&missing, &fifo] {
        let error = endpoints(&registry(path), Cloud::Public).unwrap_err();
        assert!(matches!(error, EndpointError::Unreadable { .. }), "{error}");
    }
}
