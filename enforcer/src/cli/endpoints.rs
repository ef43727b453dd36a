//! `endpoints`: prints each registry with its names and addresses.

use std::fmt;

use anyhow::Result;
use jiff::Timestamp;
use serde::Serialize;

use super::args::OutputArgs;
use super::config_file::ConfigFile;
use super::daemon_client;
use super::exit::Exit;
use super::format::{age, instant, kind, or_dash, span};
use super::printer::Printer;
use super::table::Table;
use crate::config::Sni;
use crate::core::{NameStatus, RegistryStatus};

/// Prints the names and addresses of the registries, as the daemon knows them.
pub(super) fn endpoints(config: &ConfigFile, output: OutputArgs) -> Result<Exit> {
    let status = daemon_client::status(&config.paths()?)?;
    let endpoints = Endpoints {
        registries: status.registries,
        now: Timestamp::now(),
    };
    Printer::stdout(output.json).report(&endpoints)?;
    Ok(Exit::Done)
}

/// The registries with their names.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Endpoints {
    /// The registries with their names and sources.
    registries: Vec<RegistryStatus>,
    #[serde(skip)]
    now: Timestamp,
}

impl fmt::Display for Endpoints {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.registries.is_empty() {
            writeln!(formatter, "no registry is configured")?;
        }
        for registry in &self.registries {
            writeln!(formatter, "{}", registry.login_server)?;
            let head = [
                "NAME",
                "KIND",
                "FROM",
                "CONFIRMED",
                "ADDRESS",
                "SEEN FOR",
                "LINGERS",
            ];
            let mut table = Table::new(2, head);
            let names = registry.names.iter();
            for row in names.flat_map(|name| address_rows(name, self.now)) {
                table.row(row);
            }
            write!(formatter, "{table}")?;
            for name in &registry.names {
                notes(name, formatter)?;
            }
            for pattern in &registry.patterns {
                let addresses: Vec<_> = pattern.addresses.iter().map(ToString::to_string).collect();
                let addresses = or_dash(addresses.join(", "));
                writeln!(formatter, "  {} (snooped): {addresses}", pattern.pattern)?;
            }
            if registry.sni == Sni::Off {
                writeln!(
                    formatter,
                    "  sni = \"off\": the server name of handshakes is not checked"
                )?;
            }
        }
        Ok(())
    }
}

/// Returns one row for each address of a name.
fn address_rows(name: &NameStatus, now: Timestamp) -> Vec<[String; 7]> {
    let head = |address: String, seen: String, remaining: String| {
        [
            name.name.to_string(),
            kind(name.kind).to_owned(),
            name.origin.clone(),
            or_dash(name.confirmed.map(instant).unwrap_or_default()),
            address,
            seen,
            remaining,
        ]
    };
    if name.addresses.is_empty() {
        let dash = || "-".to_owned();
        return vec![head(dash(), dash(), dash())];
    }
    let rows = name.addresses.iter().map(|address| {
        let untagged = if address.untagged { " (in no tag)" } else { "" };
        let source = address.given_by();
        let source = source.map_or(String::new(), |source| format!(" ({source})"));
        head(
            format!("{}{untagged}{source}", address.address),
            age(address.first_seen, now),
            span(address.remaining),
        )
    });
    rows.collect()
}

fn notes(name: &NameStatus, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    if !name.chain.is_empty() {
        let chain: Vec<&str> = name.chain.iter().map(|alias| alias.as_str()).collect();
        writeln!(formatter, "  {} → {}", name.name, chain.join(" → "))?;
    }
    if let Some(failing) = &name.failing {
        let since = instant(failing.since);
        writeln!(
            formatter,
            "  {}: failing since {since}: {}",
            name.name, failing.message
        )?;
    }
    for refused in &name.refused {
        writeln!(formatter, "  {}: refused {refused}", name.name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::test_data;

    #[test]
    fn each_name_has_its_addresses_and_failures() {
        let endpoints = Endpoints {
            registries: test_data::status().registries,
            now: test_data::at("10:01"),
        };
        let expected = "\
contoso.azurecr.io
  NAME                            KIND   FROM           CONFIRMED  ADDRESS                          SEEN FOR  LINGERS
  contoso.azurecr.io              login  configuration  -          20.42.66.0                       10m       14m 55s
  contoso.azurecr.io              login  configuration  -          20.42.66.1 (snooped)             10m       14m 55s
  contoso.azurecr.io              login  configuration  -          2603:1030::66 (in no tag)        10m       14m 55s
  contoso.azurecr.io              login  configuration  -          20.42.66.13 (/etc/hosts line 3)  10m       14m 55s
  contoso.eastus.data.azurecr.io  data   region eastus  -          -                                -         -
  contoso.azurecr.io → eus-1.fe.azcr.io → fe.trafficmanager.net
  contoso.eastus.data.azurecr.io: failing since 2026-01-01T00:05:00Z: no resolver answered in time
  contoso.eastus.data.azurecr.io: refused 52.239.169.228: it is in Storage
  contoso.*.data.azurecr.io (snooped): 20.42.66.2
";
        assert_eq!(endpoints.to_string(), expected);
    }
}
