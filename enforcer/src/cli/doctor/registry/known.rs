//! What this host has open for the registry.

use super::advice;
use super::target::Target;
use crate::cli::words::count;
use crate::config::EndpointKind;
use crate::control::Status;
use crate::daemon::Sources;
use crate::kernel::Check;
use crate::name::Name;

/// What this step is called.
const POLICY: &str = "policy";
const NOBODY: &str = "no daemon runs and there is no valid configuration";

/// Who tells what is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Teller {
    Daemon,
    Configuration,
    /// Nothing is configured, and nothing enforced.
    Nobody,
}

/// The registry's names that are open on this host.
#[derive(Clone, Debug)]
pub(super) struct Known {
    teller: Teller,
    names: Vec<Name>,
    /// Whether more are found while the daemon runs.
    grows: bool,
}

impl Known {
    /// As the daemon tells, where it runs, or else the configuration, where there is one.
    pub(super) fn new(target: &Target, status: Option<&Status>, sources: Option<&Sources>) -> Self {
        if let Some(status) = status {
            let own = status.registries.iter();
            let own = own.filter(|registry| registry.login_server == target.login);
            let names = own.flat_map(|registry| &registry.names);
            return Self {
                teller: Teller::Daemon,
                names: names.map(|known| known.name.clone()).collect(),
                grows: false,
            };
        }
        let Some(sources) = sources else {
            return Self {
                teller: Teller::Nobody,
                names: Vec::new(),
                grows: false,
            };
        };
        let pairs = sources.config.registries.iter().zip(&sources.endpoints);
        let own = pairs.filter(|(registry, _)| registry.login_server == target.login);
        let names = own.clone().flat_map(|(_, endpoints)| endpoints);
        Self {
            teller: Teller::Configuration,
            names: names.map(|endpoint| endpoint.name.clone()).collect(),
            grows: own
                .map(|(registry, _)| registry)
                .any(|registry| registry.discover || registry.resource_id.is_some()),
        }
    }

    /// The names to look at: those that are open, the login server first in any case.
    pub(super) fn names(&self, target: &Target) -> Vec<Name> {
        let mut names = vec![target.login.clone()];
        names.extend(
            self.names
                .iter()
                .filter(|name| **name != target.login)
                .cloned(),
        );
        names
    }

    /// The data endpoints among them.
    pub(super) fn data_endpoints<'a>(
        &'a self,
        target: &'a Target,
    ) -> impl Iterator<Item = &'a Name> {
        let kind = |name: &Name| target.cloud.endpoint_kind(&target.login, name);
        let names = self.names.iter();
        names.filter(move |name| kind(name) == Some(EndpointKind::Data))
    }

    /// Whether the registry is open here at all. `regions`: those that are known to hold a replica.
    pub(super) fn judge_registry(&self, target: &Target, regions: &[String]) -> Check {
        let login = &target.login;
        let who = match self.teller {
            Teller::Daemon => "the daemon",
            Teller::Configuration => "the configuration",
            Teller::Nobody => {
                let found =
                    "nothing is enforced here: no daemon runs, and there is no valid configuration";
                return Check::new(POLICY, true, found, "");
            }
        };
        if self.names.is_empty() {
            let found = format!("{who} does not know {login}, so it is closed");
            let fix = format!(
                "where this host is to pull from there, add to the configuration, with the region of every replica, and reload:\n  {}",
                advice::section(target, regions)
            );
            return Check::new(POLICY, false, found, &fix);
        }
        let data = self.data_endpoints(target).count();
        let data = count(data, "data endpoint", "data endpoints");
        let found = format!("{who} has {login} open, with {data}");
        Check::new(POLICY, true, found, "")
    }

    /// Whether `endpoint`, the data endpoint that the registry uses, is allowed on this host.
    pub(super) fn judge_endpoint(&self, target: &Target, endpoint: &Name) -> Check {
        let allowed = self.names.contains(endpoint);
        let entry = advice::entry(target, endpoint, !self.names.is_empty());
        if self.teller == Teller::Nobody {
            let message = format!("whether {endpoint} is allowed is unknown: {NOBODY}");
            return Check::unknown(POLICY, message, &format!("to allow it, {entry}"));
        }
        if self.grows && !allowed {
            let message = format!(
                "whether {endpoint} is allowed is unknown: the daemon discovers such names"
            );
            return Check::unknown(
                POLICY,
                message,
                "run this check again while the daemon runs",
            );
        }
        let message = if allowed {
            format!("{endpoint} is an allowed name")
        } else {
            format!("{endpoint} is not an allowed name: pulls fail")
        };
        Check::new(POLICY, allowed, message, &entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::sample;
    use crate::config::Cloud;

    fn target(text: &str) -> Target {
        Target::read(text, Cloud::Public).unwrap()
    }

    #[test]
    fn the_daemons_word_counts() {
        let status = sample::status();
        let target = target("contoso");
        let known = Known::new(&target, Some(&status), None);
        assert!(known.judge_registry(&target, &[]).is_ok());
        assert_eq!(known.names(&target).len(), 2);
        let data: Name = "contoso.eastus.data.azurecr.io".parse().unwrap();
        assert_eq!(known.data_endpoints(&target).collect::<Vec<_>>(), [&data]);
        assert!(known.judge_endpoint(&target, &data).is_ok());
    }

    #[test]
    fn an_endpoint_that_is_not_open_comes_with_the_lines_that_open_it() {
        let target = target("contoso");
        let known = Known::new(&target, Some(&sample::status()), None);
        let other: Name = "contoso.westus.data.azurecr.io".parse().unwrap();
        let check = known.judge_endpoint(&target, &other);
        assert!(!check.is_ok());
        assert!(
            check
                .fix
                .contains("data-endpoints = [\"contoso.westus.data.azurecr.io\"]")
        );
    }

    #[test]
    fn a_registry_that_nobody_named_is_closed() {
        let target = target("other");
        let known = Known::new(&target, Some(&sample::status()), None);
        let check = known.judge_registry(&target, &[]);
        assert!(!check.is_ok() && check.fix.contains("login-server = \"other.azurecr.io\""));
        assert_eq!(known.names(&target), std::slice::from_ref(&target.login));
    }

    #[test]
    fn what_the_daemon_is_to_find_is_not_called_closed() {
        let text = "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\nregions = \"discover\"\n";
        let config = crate::config::parse(text, "config.toml".as_ref()).unwrap();
        let sources = Sources::read(&crate::daemon::Options {
            source: crate::daemon::Source::Given(Box::new(config)),
            audit: false,
            ephemeral: false,
            scope: None,
        })
        .unwrap();
        let target = target("contoso");
        let known = Known::new(&target, None, Some(&sources));
        let data = "contoso.eastus.data.azurecr.io".parse().unwrap();
        let unknown = known.judge_endpoint(&target, &data);
        assert!(unknown.fix.contains("while the daemon runs"), "{unknown:?}");
        assert!(known.judge_endpoint(&target, &target.login).is_ok());
    }

    #[test]
    fn where_nothing_is_configured_nothing_is_closed() {
        let target = target("contoso");
        let known = Known::new(&target, None, None);
        assert!(known.judge_registry(&target, &[]).is_ok());
        let unknown = known.judge_endpoint(&target, &target.login);
        assert!(
            !unknown.is_failed() && unknown.fix.contains("[[registry]]"),
            "{unknown:?}"
        );
    }
}
