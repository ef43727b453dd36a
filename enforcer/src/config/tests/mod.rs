mod azure;
mod exceptions;
mod faults;
mod names;
mod registries;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::file::make_fifo;

const MINIMAL: &str = "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\n";

fn read(text: &str) -> Result<Config, String> {
    parse(text, Path::new("/etc/x.toml")).map_err(|error| error.to_string())
}

/// Asserts that `text` is rejected at `place` (`12: registry.regions`) with all of `words` in the problem.
#[track_caller]
fn rejected(text: &str, place: &str, words: &[&str]) {
    let error = parse(text, Path::new("/etc/x.toml")).expect_err(text);
    let sentences = error.sentences();
    let place = format!("/etc/x.toml:{place}: ");
    let mut problems = sentences
        .iter()
        .filter_map(|message| message.strip_prefix(&place));
    let matches = |problem: &&str| words.iter().all(|word| problem.contains(word));
    assert!(
        problems.any(|problem| matches(&problem)),
        "{words:?} not at {place}: {sentences:#?}"
    );
}

fn registry(keys: &str) -> String {
    format!("{MINIMAL}{keys}\n")
}

fn exception(keys: &str) -> String {
    format!("{MINIMAL}[[exception]]\n{keys}\n")
}

#[test]
fn complete_example_parses_to_its_values() {
    let config = read(include_str!("../../../../packaging/config.toml")).unwrap();
    let registry = config.registries.first().unwrap();
    assert_eq!(registry.login_server.as_str(), "contoso.azurecr.io");
    assert_eq!(registry.regions, ["eastus", "westus"]);
    assert_eq!(registry.private_endpoints, ["10.1.0.0/24".parse().unwrap()]);
    let exception = config.exceptions.first().unwrap();
    assert_eq!(
        exception.target,
        Target::Unit("azuremonitoragent.service".to_owned())
    );
    assert_eq!(exception.until, "2027-01-31T00:00:00Z".parse().unwrap());
    assert_eq!(config.protect, Protect::default());
    assert_eq!(config.dns, Dns::default());
    assert_eq!(config.paths, Paths::default());
}

#[test]
fn one_registry_is_a_complete_configuration() {
    let config = read(MINIMAL).unwrap();
    let names = ["contoso.azurecr.io".parse().unwrap()];
    assert_eq!(config, Config::for_registries(&names, &[]).unwrap());
    assert_eq!(config.mode, Mode::Enforce);
    assert_eq!(config.protect.tags, ["Storage", "AzureContainerRegistry"]);
    assert_eq!(config.protect.max_age, Duration::from_secs(90 * 86_400));
    assert_eq!(config.dns.linger, Duration::from_secs(900));
}

#[test]
fn unreadable_file_is_an_error_and_not_the_defaults() {
    let error = load(Path::new("/nonexistent/config.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("/nonexistent/config.toml: cannot be read (No such file"),
        "{error}"
    );
    assert!(error.contains("--config"), "{error}");
    assert!(load(Path::new("/")).is_err());
}

#[test]
fn fifos_devices_and_huge_files_are_rejected_without_reading_them() {
    let directory = tempfile::tempdir().unwrap();
    let (fifo, huge) = (directory.path().join("fifo"), directory.path().join("huge"));
    make_fifo(&fifo);
    let file = std::fs::File::create(&huge).unwrap();
    file.set_len(MAX_FILE + 1).unwrap();
    for (path, problem) in [
        (fifo.as_path(), "is not a regular file"),
        (Path::new("/dev/zero"), "is not a regular file"),
        (huge.as_path(), "is larger than 1048576 bytes"),
    ] {
        let place = format!("{}: cannot be read ({problem}); write it", path.display());
        let error = load(path).unwrap_err().to_string();
        assert!(error.starts_with(&place), "{error}");
        let error = load_paths(path).unwrap_err().to_string();
        assert!(error.starts_with(&place), "{error}");
    }
}

#[test]
fn empty_file_is_rejected_and_empty_registry_list_is_not() {
    let error = read("").unwrap_err();
    assert!(
        error.starts_with("/etc/x.toml:1: there is no [[registry]]"),
        "{error}"
    );
    let error = read("mode = \"audit\"\n").unwrap_err();
    assert!(
        error.starts_with("/etc/x.toml:1: there is no [[registry]]"),
        "{error}"
    );
    assert!(read("registry = []\n").unwrap().registries.is_empty());
}

#[test]
fn relative_files_are_relative_to_the_configuration() {
    let text =
        registry("endpoints-file = \"contoso.json\"\n[protect]\nservice-tags = \"/srv/tags.json\"");
    let config = read(&text).unwrap();
    let files: Vec<&Path> = config.watched_files().collect();
    assert_eq!(
        files,
        [Path::new("/srv/tags.json"), Path::new("/etc/contoso.json")]
    );
}

#[test]
fn unknown_keys_and_values_list_the_known_ones() {
    rejected(
        "mod = \"audit\"\n",
        "1: mod",
        &["unknown key `mod`", "`mode`"],
    );
    rejected(
        "mode = \"permissive\"\n",
        "1: mode",
        &["`enforce`", "`audit`"],
    );
    rejected(
        "\n[dns]\nlinger-time = 1\n",
        "3: dns.linger-time",
        &["unknown key", "`linger`"],
    );
    rejected(
        &registry("region = \"eastus\""),
        "3: registry.region",
        &["`regions`"],
    );
    rejected(
        &exception("untill = 1"),
        "4: exception.untill",
        &["`until`"],
    );
    rejected(
        "[dns]\nanswer-check = \"lax\"\n",
        "2: dns.answer-check",
        &["`known`", "`strict`"],
    );
    rejected(
        "[protect]\ncloud = \"germany\"\n",
        "2: protect.cloud",
        &["`us-government`", "`china`"],
    );
    rejected("[paths]\npin = \"/x\"\n", "2: paths.pin", &["`pins`"]);
}

#[test]
fn syntax_error_has_its_line() {
    let error = read("mode = \"enforce\"\nscope = \"/sys\n").unwrap_err();
    assert!(error.starts_with("/etc/x.toml:2: "), "{error}");
    let error = read("mode = \"audit\"\nmode = \"enforce\"\n").unwrap_err();
    assert!(
        error.starts_with("/etc/x.toml:2: mode: duplicate key"),
        "{error}"
    );
}

#[test]
fn faulty_list_element_has_its_own_line() {
    let text = registry("regions = [\n  \"eastus\",\n  \"West US\",\n]");
    rejected(
        &text,
        "5: registry.regions",
        &["\"West US\"", "write one such as \"westus\""],
    );
    let text = exception("names = [\n \"a.blob.core.windows.net\",\n \"*.blob.core.windows.net\"]");
    rejected(&text, "6: exception.names", &["wildcard", "every account"]);
}

#[test]
fn protecting_nothing_is_rejected() {
    rejected(
        &format!("{MINIMAL}[protect]\ntags = []\n"),
        "4: protect.tags",
        &["nothing would be protected"],
    );
    assert!(
        read(&format!(
            "{MINIMAL}[protect]\ntags = []\ndefault = \"deny\"\n"
        ))
        .is_ok()
    );
    assert!(
        read(&format!(
            "{MINIMAL}[protect]\ntags = []\ncidrs = [\"192.0.2.0/24\"]\n"
        ))
        .is_ok()
    );
    rejected(
        "[protect]\ntags = [\"Sto rage\"]\n",
        "2: protect.tags",
        &["\"Storage\""],
    );
}

#[test]
fn faults_have_keys_in_every_table_syntax() {
    let second = format!("{MINIMAL}\n[[registry]]\nregions = []\n");
    rejected(&second, "4: registry", &["login-server is missing"]);
    rejected(
        "protect.cidrs = [\"x\"]\n",
        "1: protect.cidrs",
        &["not a prefix"],
    );
    rejected(
        "dns = { linger = \"15\" }\n",
        "1: dns.linger",
        &["not a duration"],
    );
    rejected(
        "registry = [\n{ regions = [] }]\n",
        "2: registry",
        &["login-server is missing"],
    );
    rejected(
        "registry = 1\n",
        "1: registry",
        &["expected a list, found the number `1`"],
    );
}
