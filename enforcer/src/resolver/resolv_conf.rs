//! The resolvers of this host, from `resolv.conf` (resolv.conf(5)).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};

use crate::file::read_within;

/// The file that lists the resolvers of programs.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Files with the upstream resolvers of local stubs: systemd-resolved(8) and NetworkManager.conf(5).
pub const UPSTREAM_FILES: [&str; 2] = [
    "/run/systemd/resolve/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
];

const DNS_PORT: u16 = 53;
/// The largest `resolv.conf` that is read, in bytes: a thousand times the usual size.
const MAX_FILE: u64 = 1 << 20;
/// Keywords of resolv.conf(5) besides `nameserver`; they do not affect fully qualified names.
const OTHER_KEYWORDS: [&str; 4] = ["domain", "search", "sortlist", "options"];

/// The resolvers of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SystemResolvers {
    /// The resolvers that programs query, so that the daemon gets the same answers.
    pub ask: Vec<SocketAddr>,
    /// The resolvers that must stay reachable: those above, and the upstream resolvers of a local stub.
    pub exempt: Vec<IpAddr>,
    /// One text for each line that was skipped and each file that could not be read.
    pub warnings: Vec<String>,
}

/// The name servers of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameServers {
    /// In the file's order, each once.
    pub servers: Vec<SocketAddr>,
    /// One text for each line that was skipped.
    pub warnings: Vec<String>,
}

/// `resolv.conf` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: cannot be read ({source}); fix it, or list the resolvers in dns.servers", path.display()
)]
pub struct ResolvConfError {
    path: PathBuf,
    source: io::Error,
}

/// Reads the resolvers of this host.
///
/// # Errors
/// When `/etc/resolv.conf` cannot be read.
pub fn system_resolvers() -> Result<SystemResolvers, ResolvConfError> {
    read(
        Path::new(RESOLV_CONF),
        &UPSTREAM_FILES.map(Path::new),
        &interface_index,
    )
}

/// Reads the resolvers in the file `resolv_conf` and, where all are local stubs, those in the `upstream` files that exist. `interface`
/// returns the index of a network interface.
///
/// # Errors
/// When `resolv_conf` cannot be read.
pub fn read(
    resolv_conf: &Path,
    upstream: &[&Path],
    interface: &dyn Fn(&str) -> Option<u32>,
) -> Result<SystemResolvers, ResolvConfError> {
    let text = read_text(resolv_conf).map_err(|source| ResolvConfError {
        path: resolv_conf.to_owned(),
        source,
    })?;
    let parsed = parse(&text, interface);
    let mut found = SystemResolvers::default();
    found.add(&parsed, resolv_conf);
    found.ask = parsed.servers;
    if found.ask.is_empty() {
        let path = resolv_conf.display();
        found.warnings.push(format!(
            "{path}: no name server, so 127.0.0.1 is used (resolv.conf(5))"
        ));
        found.ask = vec![(Ipv4Addr::LOCALHOST, DNS_PORT).into()];
        found.exempt = vec![Ipv4Addr::LOCALHOST.into()];
    }
    if found.ask.iter().all(|server| server.ip().is_loopback()) {
        for path in upstream {
            match read_text(path) {
                Ok(text) => found.add(&parse(&text, interface), path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => found.warnings.push(format!("{}: {error}", path.display())),
            }
        }
    }
    Ok(found)
}

/// Parses the name servers of a `resolv.conf`: all of them, not only the first three that glibc uses.
pub fn parse(text: &str, interface: &dyn Fn(&str) -> Option<u32>) -> NameServers {
    let mut parsed = NameServers::default();
    for (number, line) in (1..).zip(text.lines()) {
        match server(line, interface) {
            Ok(Some(server)) if !parsed.servers.contains(&server) => parsed.servers.push(server),
            Ok(_) => {}
            Err(reason) => parsed
                .warnings
                .push(format!("line {number}: {reason}; skipped")),
        }
    }
    parsed
}

impl SystemResolvers {
    fn add(&mut self, parsed: &NameServers, path: &Path) {
        for server in &parsed.servers {
            if !self.exempt.contains(&server.ip()) {
                self.exempt.push(server.ip());
            }
        }
        let path = path.display();
        let warnings = parsed.warnings.iter();
        self.warnings
            .extend(warnings.map(|text| format!("{path}: {text}")));
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&read_within(path, MAX_FILE)?).into_owned())
}

fn server(
    line: &str,
    interface: &dyn Fn(&str) -> Option<u32>,
) -> Result<Option<SocketAddr>, String> {
    let content = line.split(['#', ';']).next().unwrap_or_default();
    let mut words = content.split_ascii_whitespace();
    match words.next() {
        None => Ok(None),
        Some("nameserver") if content.starts_with("nameserver") => {
            let word = words.next().ok_or("\"nameserver\" without an address")?;
            address(word, interface).map(Some)
        }
        Some("nameserver") => Err("\"nameserver\" is not at the start of the line".to_owned()),
        Some(word) if OTHER_KEYWORDS.contains(&word) => Ok(None),
        Some(word) => Err(format!("\"{word}\" is not a keyword")),
    }
}

fn address(word: &str, interface: &dyn Fn(&str) -> Option<u32>) -> Result<SocketAddr, String> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok((address, DNS_PORT).into());
    }
    let no_address = || format!("\"{word}\" is not an address");
    let (address, zone) = word.split_once('%').ok_or_else(no_address)?;
    let address = address.parse::<Ipv6Addr>().ok().ok_or_else(no_address)?;
    let scope = zone
        .parse()
        .ok()
        .or_else(|| interface(zone))
        .ok_or_else(|| format!("\"{zone}\" is not a network interface"))?;
    Ok(SocketAddrV6::new(address, DNS_PORT, 0, scope).into())
}

fn interface_index(name: &str) -> Option<u32> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: the pointer is to a string that ends in NUL and outlives the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::make_fifo;

    fn lo(name: &str) -> Option<u32> {
        (name == "eth0").then_some(7)
    }

    fn addresses(text: &str) -> Vec<String> {
        let servers = parse(text, &lo).servers;
        servers.iter().map(ToString::to_string).collect()
    }

    fn on_disk(
        files: &[(&str, &str)],
    ) -> (tempfile::TempDir, Result<SystemResolvers, ResolvConfError>) {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let path = |name| directory.path().join(name);
        let (systemd, manager) = (path("systemd"), path("manager"));
        let found = read(&path("resolv.conf"), &[&systemd, &manager], &lo);
        (directory, found)
    }

    #[test]
    fn name_servers_are_read_in_order_and_once() {
        let text = "# made by hand\nsearch plant.example\nnameserver 10.0.0.2\nnameserver 10.0.0.1 # second\n\
                    nameserver 10.0.0.2\noptions ndots:5\nnameserver 2001:db8::53\n";
        assert_eq!(
            addresses(text),
            ["10.0.0.2:53", "10.0.0.1:53", "[2001:db8::53]:53"]
        );
        assert_eq!(parse(text, &lo).warnings, [""; 0]);
    }

    #[test]
    fn a_scope_is_an_interface_by_name_or_index() {
        let text = "nameserver fe80::1%eth0\nnameserver fe80::2%3\n";
        assert_eq!(addresses(text), ["[fe80::1%7]:53", "[fe80::2%3]:53"]);
    }

    #[test]
    fn invalid_lines_are_skipped_and_reported_with_their_number() {
        let text = "nameserver\nnameserver resolver.example\nnameserver fe80::1%wlan9\n nameserver 10.0.0.1\n\
                    nameservers 10.0.0.2\nnameserver 10.0.0.3\n\0\n";
        let parsed = parse(text, &lo);
        assert_eq!(addresses(text), ["10.0.0.3:53"]);
        let lines: Vec<_> = parsed.warnings.iter().map(|w| &w[..6]).collect();
        assert_eq!(
            lines,
            ["line 1", "line 2", "line 3", "line 4", "line 5", "line 7"]
        );
    }

    #[test]
    fn a_local_stub_is_queried_and_its_upstream_resolvers_are_exempt_too() {
        let (_directory, found) = on_disk(&[
            ("resolv.conf", "nameserver 127.0.0.53\n"),
            ("systemd", "nameserver 10.0.0.1\nnameserver fe80::1%eth0\n"),
        ]);
        let found = found.unwrap();
        assert_eq!(found.ask, ["127.0.0.53:53".parse().unwrap()]);
        let exempt: Vec<_> = found.exempt.iter().map(ToString::to_string).collect();
        assert_eq!(exempt, ["127.0.0.53", "10.0.0.1", "fe80::1"]);
    }

    #[test]
    fn upstream_files_are_ignored_without_a_local_stub() {
        let (_directory, found) = on_disk(&[
            (
                "resolv.conf",
                "nameserver 127.0.0.53\nnameserver 10.0.0.9\n",
            ),
            ("systemd", "nameserver 10.0.0.1\n"),
        ]);
        let exempt = found.unwrap().exempt;
        let exempt: Vec<_> = exempt.iter().map(ToString::to_string).collect();
        assert_eq!(exempt, ["127.0.0.53", "10.0.0.9"]);
    }

    #[test]
    fn without_a_name_server_the_local_host_is_used_and_a_warning_reported() {
        let (_directory, found) = on_disk(&[("resolv.conf", "search plant.example\n")]);
        let found = found.unwrap();
        assert_eq!(found.ask, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!(found.warnings.len(), 1);
    }

    #[test]
    fn a_special_file_is_an_error_and_among_upstream_files_a_warning() {
        let directory = tempfile::tempdir().unwrap();
        let (main, fifo) = (directory.path().join("conf"), directory.path().join("fifo"));
        std::fs::write(&main, "nameserver 127.0.0.53\n").unwrap();
        make_fifo(&fifo);
        let error = read(&fifo, &[], &lo).unwrap_err().to_string();
        assert!(error.contains("(is not a regular file); fix it"), "{error}");
        let found = read(&main, &[&fifo, Path::new("/dev/zero")], &lo).unwrap();
        assert_eq!(found.exempt, [Ipv4Addr::new(127, 0, 0, 53)]);
        assert!(found.warnings[0].contains("is not a regular file"));
        assert_eq!(found.warnings.len(), 2);
    }

    #[test]
    fn a_missing_file_is_an_error_that_names_it() {
        let (_directory, found) = on_disk(&[]);
        let error = found.unwrap_err().to_string();
        assert!(error.contains("resolv.conf: cannot be read"), "{error}");
    }
}
