use super::*;

/// Asserts that the faults of `text` are exactly these: line, key, and a part of the message.
#[track_caller]
fn has_faults(text: &str, expected: &[(usize, &str, &str)]) {
    let error = parse(text, Path::new("/etc/x.toml")).expect_err(text);
    let ConfigError::Invalid { faults, .. } = &error else {
        panic!("{error}");
    };
    let found: Vec<_> = faults
        .iter()
        .map(|one| (one.line, one.key.as_str()))
        .collect();
    let places: Vec<_> = expected
        .iter()
        .map(|(line, key, _)| (*line, *key))
        .collect();
    assert_eq!(found, places, "{error}");
    for (fault, (_, _, words)) in faults.iter().zip(expected) {
        assert!(fault.problem.contains(words), "no {words:?} in {fault}");
    }
    let sentences = error.sentences();
    assert_eq!(sentences.len(), faults.len());
    let has_position = |sentence: &String| sentence.starts_with("/etc/x.toml:");
    assert!(sentences.iter().all(has_position), "{sentences:?}");
}

#[test]
fn all_faults_are_reported_at_once() {
    let text = "\
mode = \"permissive\"
moed = \"audit\"
[[registry]]
login-server = \"contoso\"
regions = [
  \"eastus\",
  \"West US\",
  \"East US\",
]
[[registry]]
regions = []
[[registry]]
login-server = \"fabrikam.azurecr.io\"
data-endpoints = [\"evil.eastus.data.azurecr.io\"]
private-endpoints = [\"10.0.0.1\"]
[[exception]]
reason = \"logs\"
names = [\"*.blob.core.windows.net\"]
until = 2027-01-31
[[exception]]
unit = 3
[dns]
linger = \"soon\"
[protect]
max-age = \"1d\"
cidrs = 3
";
    has_faults(
        text,
        &[
            (1, "mode", "`enforce` or `audit`"),
            (2, "moed", "unknown key"),
            (4, "registry.login-server", "write \"contoso.azurecr.io\""),
            (7, "registry.regions", "\"westus\""),
            (8, "registry.regions", "\"eastus\""),
            (10, "registry", "login-server is missing"),
            (14, "registry.data-endpoints", "another registry"),
            (15, "registry.private-endpoints", "\"10.0.0.1/32\""),
            (16, "exception", "unit is missing"),
            (18, "exception.names", "wildcard"),
            (19, "exception.until", "add Z"),
            (20, "exception", "reason is missing"),
            (20, "exception", "it allows nothing"),
            (20, "exception", "until is missing"),
            (21, "exception.unit", "a systemd unit"),
            (23, "dns.linger", "not a duration"),
            (25, "protect.max-age", "too short"),
            (26, "protect.cidrs", "expected a list, found the number `3`"),
        ],
    );
}

#[test]
fn consequences_of_a_fault_are_not_reported() {
    for (text, place) in [
        ("registry = 1\n", (1, "registry", "expected a list")),
        (
            "registry = []\n[protect]\ntags = [\"a b\"]\n",
            (3, "protect.tags", "service tag"),
        ),
        (
            "[protect]\ncloud = \"usgov\"\n[[registry]]\nlogin-server = \"contoso.azurecr.us\"\n",
            (2, "protect.cloud", "`us-government`"),
        ),
        (
            "[[registry]]\nlogin-server = \"registry.contoso.com\"\nregistry = \"con toso\"\n",
            (3, "registry.registry", "registry name"),
        ),
        (
            "[[registry]]\nlogin-server = \"*.azurecr.io\"\n",
            (2, "registry.login-server", "wildcard"),
        ),
        (
            "registry = []\n[azure]\ncredential = \"service-principal\"\ntenant-id = \"x\"\n\
             client-id = \"01234567-89ab-cdef-0123-456789abcdef\"\nclient-secret-file = \"s\"\n",
            (4, "azure.tenant-id", "GUID"),
        ),
    ] {
        has_faults(text, &[place]);
    }
}

#[test]
fn syntax_errors_are_reported_together_unless_a_bracket_is_unclosed() {
    has_faults(
        "[dns]\nlinger = 15m\n[protect]\ncloud = public\n",
        &[
            (2, "dns.linger", "must be quoted"),
            (4, "protect.cloud", "must be quoted"),
        ],
    );
    let text = "[[registry]]\nregions = [\"eastus\"\nlogin-server = \"a.azurecr.io\"\n[dns]\nlinger = \"1m\"\n";
    has_faults(text, &[(3, "", "missing comma")]);
}

#[test]
fn number_of_reported_faults_is_limited() {
    let text: String = (0..200)
        .map(|number| format!("key{number} = 1\n"))
        .collect();
    let error = parse(&text, Path::new("x.toml")).unwrap_err();
    assert_eq!(error.sentences().len(), 50);
}

#[test]
fn errors_contain_no_rust_types() {
    for text in [
        "protect = 3\n",
        "dns = []\n",
        "registry = [1]\n",
        "[[exception]]\nreason = 1\n",
        "mode = 3\n",
        "[protect.default]\nx = 1\n",
        "[dns]\nlearn = \"true\"\n",
        "[protect]\ntags = {}\n",
    ] {
        let error = read(text).expect_err(text);
        for word in ["struct", "sequence", "map", "variant", "Raw", "boolean"] {
            assert!(!error.contains(word), "{word} in {error}");
        }
    }
    rejected(
        "dns = 3\n",
        "1: dns",
        &["expected a table, found the number `3`"],
    );
}

#[test]
fn utf8_and_utf16_files_are_read() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let utf16: Vec<u8> = format!("\u{feff}{MINIMAL}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let marked = format!("\u{feff}{MINIMAL}").into_bytes();
    for bytes in [utf16, marked] {
        std::fs::write(file.path(), bytes).unwrap();
        assert_eq!(load(file.path()).unwrap(), super::read(MINIMAL).unwrap());
    }
    std::fs::write(file.path(), b"mode = \"audit\"\n# caf\xe9\n").unwrap();
    let error = load(file.path()).unwrap_err().to_string();
    let place = format!("{}:2: is neither UTF-8 nor UTF-16", file.path().display());
    assert!(error.starts_with(&place), "{error}");
}
