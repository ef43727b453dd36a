//! What this host has open for the registry.

use super::advice;
use super::target::Target;
use crate::config::EndpointKind;
use crate::control::Status;
use crate::daemon::Sources;
use crate::kernel::Finding;
use crate::name::Name;

/// What this step is called.
const POLICY: &str = "policy";

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
            };
        }
        let Some(sources) = sources else {
            return Self {
                teller: Teller::Nobody,
                names: Vec::new(),
            };
        };
        let pairs = sources.config.registries.iter().zip(&sources.endpoints);
        let own = pairs.filter(|(registry, _)| registry.login_server == target.login);
        let names = own.flat_map(|(_, endpoints)| endpoints);
        Self {
            teller: Teller::Configuration,
            names: names.map(|endpoint| endpoint.name.clone()).collect(),
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

    /// Whether the registry is open here at all.
    pub(super) fn judge_registry(&self, target: &Target) -> Finding {
        let login = &target.login;
        let who = match self.teller {
            Teller::Daemon => "the daemon",
            Teller::Configuration => "the configuration",
            Teller::Nobody => {
                let found =
                    "nothing is enforced here: no daemon runs, and there is no valid configuration";
                return Finding::new(POLICY, true, found, "");
            }
        };
        if self.names.is_empty() {
            let found = format!("{who} does not know {login}, so it is closed");
            let mend = format!(
                "where this host is to pull from there, add to the configuration and reload:\n  [[registry]]\n  login-server = \"{login}\"\n  regions = [\"{}\"]",
                advice::SOME_REGION
            );
            return Finding::new(POLICY, false, found, &mend);
        }
        let data = self.data_endpoints(target).count();
        let found = format!("{who} has {login} open, with {data} data endpoints");
        Finding::new(POLICY, true, found, "")
    }

    /// Whether the data endpoint that the registry uses is open here; `None` where nothing is enforced.
    pub(super) fn judge_endpoint(&self, target: &Target, endpoint: &Name) -> Option<Finding> {
        if self.teller == Teller::Nobody {
            return None;
        }
        let fit = self.names.contains(endpoint);
        let found = if fit {
            format!("{endpoint} is among the names that are open here")
        } else {
            format!("{endpoint} is not among the names that are open here: pulls fail")
        };
        Some(Finding::new(
            POLICY,
            fit,
            found,
            &advice::entry(target, endpoint),
        ))
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
        assert!(known.judge_registry(&target).fit);
        assert_eq!(known.names(&target).len(), 2);
        let data: Name = "contoso.eastus.data.azurecr.io".parse().unwrap();
        assert_eq!(known.data_endpoints(&target).collect::<Vec<_>>(), [&data]);
        assert!(known.judge_endpoint(&target, &data).unwrap().fit);
    }

    #[test]
    fn an_endpoint_that_is_not_open_comes_with_the_lines_that_open_it() {
        let target = target("contoso");
        let known = Known::new(&target, Some(&sample::status()), None);
        let other: Name = "contoso.westus.data.azurecr.io".parse().unwrap();
        let finding = known.judge_endpoint(&target, &other).unwrap();
        assert!(!finding.fit);
        assert!(
            finding
                .mend
                .contains("data-endpoints = [\"contoso.westus.data.azurecr.io\"]")
        );
    }

    #[test]
    fn a_registry_that_nobody_named_is_closed() {
        let target = target("other");
        let known = Known::new(&target, Some(&sample::status()), None);
        let finding = known.judge_registry(&target);
        assert!(!finding.fit && finding.mend.contains("login-server = \"other.azurecr.io\""));
        assert_eq!(known.names(&target), std::slice::from_ref(&target.login));
    }

    #[test]
    fn where_nothing_is_configured_nothing_is_closed() {
        let target = target("contoso");
        let known = Known::new(&target, None, None);
        assert!(known.judge_registry(&target).fit);
        assert!(known.judge_endpoint(&target, &target.login).is_none());
    }
}
