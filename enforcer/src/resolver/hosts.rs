//! Reads `/etc/hosts` (hosts(5)), which programs use before DNS or in its place.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use super::answer::plausible;
use crate::file::read_within;
use crate::name::Name;

/// The file with names and their addresses.
pub const HOSTS: &str = "/etc/hosts";
/// The file that lists the sources of names for programs (nsswitch.conf(5)).
pub const NSSWITCH: &str = "/etc/nsswitch.conf";

/// The largest file that is read, in bytes; block lists reach a few MiB.
const MAX_FILE: u64 = 16 << 20;
/// The most entries that are used.
const MAX_ENTRIES: usize = 4096;
/// The services of nsswitch.conf(5) that read the file: glibc's, and systemd-resolved's (nss-resolve(8)).
const READERS: [&str; 2] = ["files", "resolve"];

/// A name and an address that the file gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostsEntry {
    /// The name.
    pub name: Name,
    /// The address.
    pub address: IpAddr,
    /// The number of the line, from 1.
    pub line: u32,
}

/// The content of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsFile {
    /// The entries in the file's order, without addresses that no service can have.
    pub entries: Vec<HostsEntry>,
    /// Why the entries are unknown or incomplete.
    pub problem: Option<String>,
}

/// Reads the file of this host; without entries where programs do not use it.
pub fn system_hosts() -> HostsFile {
    read(Path::new(HOSTS), Path::new(NSSWITCH))
}

fn read(hosts: &Path, nsswitch: &Path) -> HostsFile {
    let failed = |path: &Path, error: &io::Error| HostsFile {
        entries: Vec::new(),
        problem: Some(format!(
            "{}: cannot be read ({error}), so the addresses that it gives to allowed names are unknown",
            path.display()
        )),
    };
    match read_text(nsswitch) {
        Ok(Some(text)) if !is_consulted(&text) => return HostsFile::default(),
        Ok(_) => {}
        Err(error) => return failed(nsswitch, &error),
    }
    match read_text(hosts) {
        Ok(text) => parse(&text.unwrap_or_default()),
        Err(error) => failed(hosts, &error),
    }
}

/// Reads a text file; `None` where it does not exist.
fn read_text(path: &Path) -> io::Result<Option<String>> {
    match read_within(path, MAX_FILE) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether programs use the file, by the text of nsswitch.conf(5); without a line for `hosts` they do.
fn is_consulted(nsswitch: &str) -> bool {
    let line = nsswitch.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        line.trim_start().strip_prefix("hosts:")
    });
    line.is_none_or(|services| {
        let mut services = services.split_ascii_whitespace();
        services.any(|service| READERS.contains(&service))
    })
}

/// Parses the lines of the file: an address, and the names that have it.
fn parse(text: &str) -> HostsFile {
    let mut found = HostsFile::default();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.split('#').next().unwrap_or_default();
        let mut words = content.split_ascii_whitespace();
        let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
        let Some(address) = address.filter(|address| plausible(*address)) else {
            continue;
        };
        let names = words.filter_map(|word| word.parse::<Name>().ok());
        found.entries.extend(names.map(|name| HostsEntry {
            name,
            address,
            line,
        }));
        if found.entries.len() > MAX_ENTRIES {
            found.entries.truncate(MAX_ENTRIES);
            found.problem = Some(format!(
                "{HOSTS} gives addresses to more than {MAX_ENTRIES} names: line {line} and the following lines are ignored"
            ));
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<String> {
        let entries = parse(text).entries.into_iter();
        entries
            .map(|pin| format!("{} {} {}", pin.line, pin.name, pin.address))
            .collect()
    }

    #[test]
    fn each_name_of_a_line_has_its_address() {
        let text = "127.0.0.1 localhost\n# a front end\n20.42.66.13\tContoso.azurecr.io www.example.org # by hand\n\n\
                    2603:1030::66 contoso.azurecr.io.\n";
        assert_eq!(
            entries(text),
            [
                "3 contoso.azurecr.io 20.42.66.13",
                "3 www.example.org 20.42.66.13",
                "5 contoso.azurecr.io 2603:1030::66"
            ]
        );
    }

    #[test]
    fn implausible_addresses_and_invalid_names_are_skipped() {
        for text in [
            "0.0.0.0 contoso.azurecr.io\n127.0.0.1 contoso.azurecr.io\n::1 contoso.azurecr.io\n",
            "contoso.azurecr.io 20.42.66.13\n20.42.66 contoso.azurecr.io\n",
            "20.42.66.13 localhost *.azurecr.io\n20.42.66.13\n#20.42.66.13 contoso.azurecr.io\n",
        ] {
            assert_eq!(entries(text), [""; 0], "{text}");
            assert_eq!(parse(text).problem, None);
        }
    }

    #[test]
    fn a_file_with_too_many_entries_is_used_in_part_and_reported() {
        let line = |number: u32| format!("20.42.66.13 n{number}.example.org\n");
        let text: String = (0..5000).map(line).collect();
        let found = parse(&text);
        assert_eq!(found.entries.len(), MAX_ENTRIES);
        assert!(found.problem.unwrap().contains("line 4097"));
    }

    #[test]
    fn nsswitch_conf_decides_whether_the_file_is_used() {
        for (text, counts) in [
            ("", true),
            ("passwd: files\n", true),
            ("hosts: files dns\n", true),
            ("hosts: mymachines resolve [!UNAVAIL=return] dns\n", true),
            ("hosts:\tdns [!UNAVAIL=return] files\n", true),
            ("#hosts: files\nhosts: dns # files\n", false),
        ] {
            assert_eq!(is_consulted(text), counts, "{text}");
        }
    }

    #[test]
    fn a_missing_file_has_no_entries_and_an_unreadable_one_is_reported() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        assert_eq!(
            read(&at("hosts"), &at("nsswitch.conf")),
            HostsFile::default()
        );
        std::fs::write(at("hosts"), "20.42.66.13 contoso.azurecr.io\n").unwrap();
        assert_eq!(read(&at("hosts"), &at("nsswitch.conf")).entries.len(), 1);
        std::fs::write(at("nsswitch.conf"), "hosts: dns\n").unwrap();
        assert_eq!(
            read(&at("hosts"), &at("nsswitch.conf")),
            HostsFile::default()
        );
        for (hosts, nsswitch) in [(".", "none"), ("hosts", ".")] {
            let found = read(&at(hosts), &at(nsswitch));
            assert!(found.problem.unwrap().contains("cannot be read"));
        }
    }
}
