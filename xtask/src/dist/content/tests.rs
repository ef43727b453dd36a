//! The lists against the files of the workspace.

use super::*;

fn whole() -> Vec<Entry> {
    let entry = |file: &Shipped| Entry {
        mode: file.mode().to_owned(),
        owner: "root/root".to_owned(),
        size: 1,
        path: file.place.to_owned(),
    };
    COMMON.iter().map(entry).collect()
}

fn complaint(entries: &[Entry]) -> String {
    let refused = check(entries, COMMON.iter()).unwrap_err();
    refused.to_string()
}

#[test]
fn what_is_listed_is_what_is_wanted() {
    check(&whole(), COMMON.iter()).unwrap();
    let missing = check(&whole(), of_deb()).unwrap_err().to_string();
    assert_eq!(missing, format!("{} is missing", DEBIAN[0].place));
}

#[test]
fn a_file_too_many_and_one_too_few_are_both_named() {
    let mut entries = whole();
    entries[0].path = "/etc/egress-enforcer/other.toml".to_owned();
    assert_eq!(
        complaint(&entries),
        "/etc/egress-enforcer/other.toml is not expected\n  /etc/egress-enforcer/config.toml is missing"
    );
}

#[test]
fn what_others_may_write_or_own_is_refused() {
    let mut entries = whole();
    entries[1].mode = "-rwxrwxrwx".to_owned();
    entries[2].owner = "1000/1000".to_owned();
    let message = complaint(&entries);
    assert!(
        message.contains("bin/egress-enforcer has mode -rwxrwxrwx"),
        "{message}"
    );
    assert!(
        message.contains("egress-enforcer-console belongs to 1000/1000"),
        "{message}"
    );
    entries = read_listing("drwxrwxrwx root/root 0 2026-01-01 00:00 ./etc/\n").unwrap();
    assert!(complaint(&entries).contains("/etc has mode drwxrwxrwx"));
}

#[test]
fn a_package_too_large_for_a_device_is_refused() {
    let mut entries = whole();
    entries[1].size = MAX_INSTALLED;
    assert!(complaint(&entries).contains("at most"));
}

#[test]
fn a_listing_of_another_form_is_an_error() {
    assert!(read_listing("what is this\n").is_err());
    let line = "-rw-r--r-- 0/0    33 2026-11-23 19:48 ./etc/a.toml\n";
    assert_eq!(read_listing(line).unwrap()[0].path, "/etc/a.toml");
}
