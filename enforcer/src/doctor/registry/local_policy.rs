//! Which names of the registry this host allows.

use super::advice;
use super::target::RegistryTarget;
use crate::config::EndpointKind;
use crate::core::Status;
use crate::doctor::check::Check;
use crate::name::Name;
use crate::sources::Sources;

/// Id of the check.
const POLICY: &str = "policy";
const UNCONFIGURED: &str = "no daemon runs and there is no valid configuration";

/// Source of the allowed names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PolicySource {
    Daemon,
    Configuration,
    /// No daemon runs, and there is no valid configuration.
    None,
}

/// The names of the registry that this host allows.
#[derive(Clone, Debug)]
pub(super) struct LocalPolicy {
    source: PolicySource,
    names: Vec<Name>,
    /// Whether a running daemon discovers more of them.
    discovers: bool,
}

impl LocalPolicy {
    /// Takes the names from the daemon if it runs, or else from the configuration if there is one.
    pub(super) fn new(
        target: &RegistryTarget,
        status: Option<&Status>,
        sources: Option<&Sources>,
    ) -> Self {
        if let Some(status) = status {
            let own = status.registries.iter();
            let own = own.filter(|registry| registry.login_server == target.login);
            let names = own.flat_map(|registry| &registry.names);
            return Self {
                source: PolicySource::Daemon,
                names: names.map(|known| known.name.clone()).collect(),
                discovers: false,
            };
        }
        let Some(sources) = sources else {
            return Self {
                source: PolicySource::None,
                names: Vec::new(),
                discovers: false,
            };
        };
        let pairs = sources.config.registries.iter().zip(&sources.endpoints);
        let own = pairs.filter(|(registry, _)| registry.login_server == target.login);
        let names = own.clone().flat_map(|(_, endpoints)| endpoints);
        Self {
            source: PolicySource::Configuration,
            names: names.map(|endpoint| endpoint.name.clone()).collect(),
            discovers: own
                .map(|(registry, _)| registry)
                .any(|registry| registry.discover || registry.resource_id.is_some()),
        }
    }

    /// Returns the names to resolve: the login server and the allowed names.
    pub(super) fn names(&self, target: &RegistryTarget) -> Vec<Name> {
        let mut names = vec![target.login.clone()];
        names.extend(
            self.names
                .iter()
                .filter(|name| **name != target.login)
                .cloned(),
        );
        names
    }

    /// Returns the allowed data endpoints.
    pub(super) fn data_endpoints<'a>(
        &'a self,
        target: &'a RegistryTarget,
    ) -> impl Iterator<Item = &'a Name> {
        let kind = |name: &Name| target.cloud.endpoint_kind(&target.login, name);
        let names = self.names.iter();
        names.filter(move |name| kind(name) == Some(EndpointKind::Data))
    }

    /// Checks that the registry is allowed. `regions`: those known to have a replica.
    pub(super) fn check_registry(&self, target: &RegistryTarget, regions: &[String]) -> Check {
        let login = &target.login;
        let source = match self.source {
            PolicySource::Daemon => "the daemon",
            PolicySource::Configuration => "the configuration",
            PolicySource::None => {
                let message =
                    "nothing is enforced: no daemon runs and there is no valid configuration";
                return Check::new(POLICY, true, message, "");
            }
        };
        if self.names.is_empty() {
            let message = format!("{source} does not name {login}, so it is denied");
            let fix = format!(
                "to pull from it, add to the configuration, with the region of every replica, and reload:\n  {}",
                advice::section(target, regions)
            );
            return Check::new(POLICY, false, message, &fix);
        }
        let data = self.data_endpoints(target).count();
        let plural = if data == 1 { "" } else { "s" };
        let message = format!("{source} allows {login} with {data} data endpoint{plural}");
        Check::new(POLICY, true, message, "")
    }

    /// Checks that `endpoint`, the data endpoint that the registry redirects to, is allowed.
    pub(super) fn check_endpoint(&self, target: &RegistryTarget, endpoint: &Name) -> Check {
        let allowed = self.names.contains(endpoint);
        let entry = advice::entry(target, endpoint, !self.names.is_empty());
        if self.source == PolicySource::None {
            let message = format!("whether {endpoint} is allowed is unknown: {UNCONFIGURED}");
            return Check::unknown(POLICY, message, &format!("to allow it, {entry}"));
        }
        if self.discovers && !allowed {
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
    use crate::config::Cloud;
    use crate::doctor::host::configuration::read_sources;
    use crate::doctor::test_data;
    use crate::sources::Source;

    fn target(text: &str) -> RegistryTarget {
        RegistryTarget::parse(text, Cloud::Public).unwrap()
    }

    #[test]
    fn the_names_of_a_running_daemon_count() {
        let status = test_data::status();
        let target = target("contoso");
        let known = LocalPolicy::new(&target, Some(&status), None);
        assert!(known.check_registry(&target, &[]).is_ok());
        assert_eq!(known.names(&target).len(), 2);
        let data: Name = "contoso.eastus.data.azurecr.io".parse().unwrap();
        assert_eq!(known.data_endpoints(&target).collect::<Vec<_>>(), [&data]);
        assert!(known.check_endpoint(&target, &data).is_ok());
    }

    #[test]
    fn an_endpoint_that_is_not_allowed_fails_with_the_lines_that_allow_it() {
        let target = target("contoso");
        let known = LocalPolicy::new(&target, Some(&test_data::status()), None);
        let other: Name = "contoso.westus.data.azurecr.io".parse().unwrap();
        let check = known.check_endpoint(&target, &other);
        assert!(!check.is_ok());
        assert!(
            check
                .fix
                .contains("data-endpoints = [\"contoso.westus.data.azurecr.io\"]")
        );
    }

    #[test]
    fn a_registry_that_is_not_configured_is_denied() {
        let target = target("other");
        let known = LocalPolicy::new(&target, Some(&test_data::status()), None);
        let check = known.check_registry(&target, &[]);
        assert!(!check.is_ok() && check.fix.contains("login-server = \"other.azurecr.io\""));
        assert_eq!(known.names(&target), std::slice::from_ref(&target.login));
    }

    #[test]
    fn an_endpoint_that_the_daemon_may_discover_is_unknown() {
        let text = "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\nregions = \"discover\"\n";
        let config = crate::config::parse(text, "config.toml".as_ref()).unwrap();
        let sources = read_sources(Source::CommandLine(Box::new(config))).unwrap();
        let target = target("contoso");
        let known = LocalPolicy::new(&target, None, Some(&sources));
        let data = "contoso.eastus.data.azurecr.io".parse().unwrap();
        let unknown = known.check_endpoint(&target, &data);
        assert!(unknown.fix.contains("while the daemon runs"), "{unknown:?}");
        assert!(known.check_endpoint(&target, &target.login).is_ok());
    }

    #[test]
    fn without_a_configuration_nothing_is_denied() {
        let target = target("contoso");
        let known = LocalPolicy::new(&target, None, None);
        assert!(known.check_registry(&target, &[]).is_ok());
        let unknown = known.check_endpoint(&target, &target.login);
        assert!(
            !unknown.is_failed() && unknown.fix.contains("[[registry]]"),
            "{unknown:?}"
        );
    }
}
