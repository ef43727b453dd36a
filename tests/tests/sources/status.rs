//! Status, alarms and metrics of sources, and the absence of secrets in them.

use std::{fs, net::IpAddr, path::Path, thread, time::Instant};

use anyhow::{Result, ensure};
use lab::fixtures::replicas::Replica;
use serde_json::Value;

use crate::fixture::{Fixture, LIMIT, POLL};

/// The kind of the alarm for a failing source.
const FAILING: &str = "source-failing";

impl Fixture {
    /// Waits until every name is resolved. Uses the control API, because the command line would run in the daemon's cgroup.
    pub(crate) fn await_names(&self) -> Result<()> {
        self.await_status("every name has an address", |status| {
            names(status).all(has_address)
        })?;
        Ok(())
    }

    /// Waits until at least `count` sources fail; checks status, metrics and log, and returns the alarms' messages.
    pub(crate) fn await_source_failures(&self, count: usize) -> Result<Vec<String>> {
        let what = format!("{count} sources fail");
        let status = self.await_status(&what, |status| failing(status).len() >= count)?;
        let failing = failing(&status);
        let metrics = self.enforcer.metrics()?;
        let row = format!(
            "egress_enforcer_alarms{{kind=\"{FAILING}\"}} {}",
            failing.len()
        );
        ensure!(metrics.contains(&row), "{failing:#?}\n{metrics}");
        let log = self.enforcer.log();
        ensure!(log.contains(FAILING), "{log}");
        Ok(failing)
    }

    /// Waits until no source fails.
    pub(crate) fn await_sources_recovered(&self) -> Result<()> {
        self.await_status("no source fails", |status| failing(status).is_empty())?;
        Ok(())
    }

    /// Waits until `wanted` is true of the status.
    pub(crate) fn await_status(
        &self,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let status = serde_json::to_value(self.enforcer.api_status()?)?;
            if wanted(&status) {
                return Ok(status);
            }
            let alarms = &status["alarms"];
            ensure!(
                Instant::now() < deadline,
                "not within {LIMIT:?}: {what}: {alarms:#}\n{}",
                self.enforcer.log()
            );
            thread::sleep(POLL * 4);
        }
    }

    /// Waits until the daemon has resolved this name.
    pub(crate) fn await_name(&self, host: &str) -> Result<Value> {
        self.await_status(&format!("{host} has an address"), |status| {
            names(status).any(|name| name["name"] == host && has_address(name))
        })
    }

    /// Waits until the daemon knows the addresses of a replica.
    pub(crate) fn await_replica(&self, replica: &Replica) -> Result<()> {
        let has = |name: &Value, address: &IpAddr| {
            let known = name["addresses"].as_array().into_iter().flatten();
            let text = address.to_string();
            known
                .filter_map(|known| known["address"].as_str())
                .any(|known| known == text)
        };
        let host = replica.host.as_str();
        self.await_status(&format!("{replica:?} is known"), |status| {
            let mut names = names(status).filter(|name| name["name"] == host);
            names.any(|name| replica.addresses.iter().all(|address| has(name, address)))
        })?;
        Ok(())
    }

    /// Checks that no token or secret is in the log, the output or the directories of the daemon.
    pub(crate) fn check_no_secret_leaks(&self) -> Result<()> {
        let mut texts = vec![self.enforcer.log(), self.enforcer.metrics()?];
        for command in ["status", "endpoints", "doctor"] {
            texts.push(self.enforcer.cli([command])?.stdout);
            texts.push(self.enforcer.cli([command, "--json"])?.stdout);
        }
        texts.push(serde_json::to_string(&self.enforcer.events()?)?);
        texts.extend(files_below(&self.enforcer.state())?);
        texts.extend(files_below(&self.enforcer.runtime())?);
        let secrets = self.azure.secrets();
        ensure!(secrets.len() > 3, "too few secrets for a result");
        for secret in &secrets {
            let found = texts.iter().find(|text| text.contains(secret.as_str()));
            ensure!(found.is_none(), "{secret} leaks: {found:?}");
        }
        Ok(())
    }
}

/// Returns the messages of the alarms for failing sources.
pub(crate) fn failing(status: &Value) -> Vec<String> {
    let alarms = status["alarms"].as_array().into_iter().flatten();
    alarms
        .filter(|alarm| alarm["kind"] == FAILING)
        .map(|alarm| alarm["message"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Returns all names of the registries.
pub(crate) fn names(status: &Value) -> impl Iterator<Item = &Value> {
    let registries = status["registries"].as_array().into_iter().flatten();
    registries.flat_map(|registry| registry["names"].as_array().into_iter().flatten())
}

/// Returns the names of contoso, sorted.
pub(crate) fn hosts(status: &Value) -> Vec<String> {
    let texts = names(status).filter_map(|name| name["name"].as_str());
    let mut hosts: Vec<String> = texts.map(str::to_owned).collect();
    hosts.sort();
    hosts
}

fn has_address(name: &Value) -> bool {
    name["addresses"]
        .as_array()
        .is_some_and(|addresses| !addresses.is_empty())
}

fn files_below(directory: &Path) -> Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            texts.extend(files_below(&path)?);
        } else if path.is_file() {
            texts.push(String::from_utf8_lossy(&fs::read(path)?).into_owned());
        }
    }
    Ok(texts)
}
