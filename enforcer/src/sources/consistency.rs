//! Checks that configuration and service tags are consistent.

use anyhow::{Result, bail};
use enforcer_common::Class;

use super::{Sources, class_of};
use crate::azure::{PrefixSet, TagSnapshot};
use crate::config::Config;
use crate::policy::effective_address;

impl Sources {
    /// Checks that configuration and service tags are consistent.
    ///
    /// # Errors
    /// If a DNS server is in a protected tag, or a private endpoint in the tag of another service.
    pub(super) fn check(&self) -> Result<()> {
        check_resolvers(&self.config, &self.tags)?;
        check_private_endpoints(&self.config, &self.tags)
    }
}

/// Rejects DNS servers in a protected tag: DNS servers are always allowed, so one there would bypass the policy.
fn check_resolvers(config: &Config, tags: &TagSnapshot) -> Result<()> {
    for server in &config.dns.servers {
        for (tag, prefixes) in &tags.families {
            if prefixes.contains(effective_address(server.ip(), &config.protect.nat64)) {
                bail!(
                    "dns.servers: {} lies in the service tag {tag}, and a DNS server is never closed: name another",
                    server.ip()
                );
            }
        }
    }
    Ok(())
}

/// Rejects private endpoints that overlap the tag of another service: answers in their prefixes are not compared with the tags, so a forged
/// answer would allow those addresses.
fn check_private_endpoints(config: &Config, tags: &TagSnapshot) -> Result<()> {
    let others = tags
        .families
        .iter()
        .filter(|(tag, _)| class_of(tag) != Class::Registry);
    for (tag, protected) in others {
        for registry in &config.registries {
            let private = PrefixSet::from_iter(registry.private_endpoints.iter().copied());
            if let Some(common) = private.first_common(protected) {
                bail!(
                    "registry.private-endpoints: those of {} and the service tag {tag} have {common} in common, \
                     and no private endpoint of a registry lies there: write the prefixes of your own network",
                    registry.login_server
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::sources::{Options, Source};

    fn read(private_endpoints: &str) -> Result<Sources> {
        let text = format!(
            "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\nprivate-endpoints = [\"10.1.0.0/24\", \"{private_endpoints}\"]\n"
        );
        let config = config::parse(&text, "test.toml".as_ref())?;
        Sources::read(&Options {
            source: Source::CommandLine(Box::new(config)),
            audit: false,
            ephemeral: true,
            scope: None,
        })
    }

    /// Addresses of a storage stamp and of a registry front end, from public documents.
    #[test]
    fn private_endpoints_must_not_overlap_another_service() {
        for storage in ["52.239.169.228/32", "52.0.0.0/8"] {
            let error = read(storage).unwrap_err().to_string();
            for word in [
                "registry.private-endpoints",
                "contoso.azurecr.io",
                "Storage",
            ] {
                assert!(error.contains(word), "no {word:?} in: {error}");
            }
        }
        assert!(read("20.42.66.0/31").is_ok());
        assert!(read("172.16.0.0/12").is_ok());
    }
}
