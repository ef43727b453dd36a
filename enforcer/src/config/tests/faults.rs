use super::*;

/// Where each fault of `text` is: line, key, and that it is told with `words`.
#[track_caller]
fn all_faults(text: &str, expected: &[(usize, &str, &str)]) {
    let refused = parse(text, Path::new("/etc/x.toml")).expect_err(text);
    let ConfigError::Invalid { faults, .. } = &refused else {
        panic!("{refused}");
    };
    let found: Vec<_> = faults
        .iter()
        .map(|one| (one.line, one.key.as_str()))
        .collect();
    let places: Vec<_> = expected
        .iter()
        .map(|(line, key, _)| (*line, *key))
        .collect();
    assert_eq!(found, places, "{refused}");
    for (fault, (_, _, words)) in faults.iter().zip(expected) {
        assert!(fault.problem.contains(words), "no {words:?} in {fault}");
    }
    let sentences = refused.sentences();
    assert_eq!(sentences.len(), faults.len());
    let is_placed = |sentence: &String| sentence.starts_with("/etc/x.toml:");
    assert!(sentences.iter().all(is_placed), "{sentences:?}");
}

#[test]
fn every_fault_of_a_file_is_told_at_once() {
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
    all_faults(
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
            (20, "exception", "it opens nothing"),
            (20, "exception", "until is missing"),
            (21, "exception.unit", "name of a systemd unit"),
            (23, "dns.linger", "not a duration"),
            (25, "protect.max-age", "too short"),
            (26, "protect.cidrs", "expected a list, found the number `3`"),
        ],
    );
}

#[test]
fn no_fault_is_told_that_only_follows_from_another() {
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
            (3, "registry.registry", "name of a registry"),
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
        all_faults(text, &[place]);
    }
}

#[test]
fn lines_that_are_no_toml_are_told_together_unless_a_bracket_is_open() {
    all_faults(
        "[dns]\nlinger = 15m\n[protect]\ncloud = public\n",
        &[
            (2, "dns.linger", "must be quoted"),
            (4, "protect.cloud", "must be quoted"),
        ],
    );
    let text = "[[registry]]\nregions = [\"eastus\"\nlogin-server = \"a.azurecr.io\"\n[dns]\nlinger = \"1m\"\n";
    all_faults(text, &[(3, "", "missing comma")]);
}

#[test]
fn a_file_full_of_faults_is_told_in_part() {
    let text: String = (0..200)
        .map(|number| format!("key{number} = 1\n"))
        .collect();
    let refused = parse(&text, Path::new("x.toml")).unwrap_err();
    assert_eq!(refused.sentences().len(), 50);
}

#[test]
fn no_error_has_a_type_of_this_programs_source() {
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
        let refused = read(text).expect_err(text);
        for word in ["struct", "sequence", "map", "variant", "Raw", "boolean"] {
            assert!(!refused.contains(word), "{word} in {refused}");
        }
    }
    refused(
        "dns = 3\n",
        "1: dns",
        &["expected a table, found the number `3`"],
    );
}

#[test]
fn a_file_is_read_in_the_encodings_that_editors_write() {
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
