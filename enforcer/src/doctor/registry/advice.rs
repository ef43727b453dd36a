//! Fixes for a registry: how to migrate to dedicated data endpoints without a failed pull, and lines for the configuration.

use super::target::RegistryTarget;
use crate::name::Name;

/// Placeholder for unknown regions.
const SOME_REGION: &str = "REGION";

/// Returns the steps of a migration to dedicated data endpoints, in the order in which no pull fails (learn.microsoft.com, "Azure Container Registry mitigating data exfiltration with
/// dedicated data endpoints"). `regions`: those known to have a replica. `check`: the command line that verifies the result.
pub(super) fn migration(target: &RegistryTarget, regions: &[String], check: &str) -> String {
    let registry = target.resource();
    let enable = format!("az acr update --name {registry} --data-endpoint-enabled");
    let list = format!("az acr show-endpoints --name {registry}");
    let file = endpoints_file(target);
    let known = format!("{list} > {file}");
    let fragment = |endpoints: &str| {
        format!(
            "     [[registry]]\n     login-server = \"{}\"\n     {endpoints}",
            target.login
        )
    };
    let by_file = fragment(&format!("endpoints-file = \"{file}\""));
    if target.is_hashed() {
        return format!(
            "migrate to dedicated data endpoints (service tier Premium). Their names contain a hash and are known only once they are enabled, so pulls fail between 1 and 2:\n  \
             1. {enable}\n  \
             2. {known}, allow these names, TCP port 443, in every firewall on the path, and here:\n{by_file}\n  \
             3. {check}"
        );
    }
    let pattern = format!(
        "{}.REGION.data.{}",
        target.label(),
        target.cloud.registry_suffix()
    );
    let by_region = fragment(&format!("regions = [{}]", quoted(regions)));
    format!(
        "migrate to dedicated data endpoints (service tier Premium), in this order, so that no pull fails:\n  \
         1. {list} --query \"dataEndpoints[].region\" --output tsv   (the region of every replica)\n  \
         2. for each of them allow {pattern}, TCP port 443, in every firewall on the path, and here, as the only section of this registry (then reload):\n{by_region}\n  \
         3. {enable}\n  \
         4. {known}, which can replace `regions`:\n{by_file}\n  \
         5. {check}"
    )
}

/// Returns the configuration lines that allow `endpoint`. `named`: whether the configuration has a section of the registry.
pub(super) fn entry(target: &RegistryTarget, endpoint: &Name, named: bool) -> String {
    let login = &target.login;
    let line = format!("data-endpoints = [\"{endpoint}\"]");
    if named {
        return format!(
            "add to the registry's section in the configuration, below login-server = \"{login}\", and reload:\n  {line}"
        );
    }
    format!(
        "add to the configuration and reload:\n  [[registry]]\n  login-server = \"{login}\"\n  {line}"
    )
}

/// Returns the configuration section that allows the registry, with the regions known to have a replica.
pub(super) fn section(target: &RegistryTarget, regions: &[String]) -> String {
    let login = &target.login;
    let endpoints = if target.is_hashed() {
        format!("endpoints-file = \"{}\"", endpoints_file(target))
    } else {
        format!("regions = [{}]", quoted(regions))
    };
    format!("[[registry]]\n  login-server = \"{login}\"\n  {endpoints}")
}

/// Returns where to store the output of `az acr show-endpoints`.
fn endpoints_file(target: &RegistryTarget) -> String {
    format!("/etc/egress-enforcer/{}.json", target.resource())
}

/// Returns the region in the name of a data endpoint or regional endpoint.
pub(super) fn region_of(endpoint: &Name) -> Option<String> {
    endpoint.labels().nth(1).map(str::to_owned)
}

/// Returns the region in the CNAME chain of a public login server: that of the virtual machines that serve it.
pub(super) fn region_of_chain(chain: &[Name]) -> Option<String> {
    chain.iter().find_map(|alias| {
        let machine = alias.as_str().strip_suffix(".cloudapp.azure.com")?;
        machine
            .rsplit_once('.')
            .map(|(_, region)| region.to_owned())
    })
}

fn quoted(regions: &[String]) -> String {
    let mut regions = regions.to_vec();
    if regions.is_empty() {
        regions.push(SOME_REGION.to_owned());
    }
    regions.sort_unstable();
    regions.dedup();
    let quoted: Vec<String> = regions
        .iter()
        .map(|region| format!("\"{region}\""))
        .collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Cloud};

    /// Returns the configuration lines after the line that contains `after`.
    fn fragment(advice: &str, after: &str) -> String {
        let rest = advice.split_once(after).unwrap().1;
        let rest = rest.split_once('\n').unwrap().1;
        rest.lines()
            .take_while(|line| line.starts_with("     "))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn names_are_allowed_before_they_are_enabled() {
        let target = RegistryTarget::parse("contoso", Cloud::Public).unwrap();
        let advice = migration(&target, &["eastus".to_owned()], "egress-enforcer doctor");
        let at = |text: &str| {
            advice
                .find(text)
                .unwrap_or_else(|| panic!("{text}: {advice}"))
        };
        let steps = [
            "contoso.REGION.data.azurecr.io",
            "regions = [\"eastus\"]",
            "az acr update --name contoso --data-endpoint-enabled",
            "az acr show-endpoints --name contoso > /etc/egress-enforcer/contoso.json",
            "egress-enforcer doctor",
        ];
        assert!(steps.map(at).is_sorted(), "{advice}");
    }

    #[test]
    fn the_configuration_lines_are_valid() {
        let target = RegistryTarget::parse("contoso", Cloud::Public).unwrap();
        let advice = migration(&target, &["westus".to_owned(), "eastus".to_owned()], "");
        for after in ["  2. ", "  4. "] {
            let text = fragment(&advice, after);
            let config = config::parse(&text, "config.toml".as_ref()).unwrap();
            assert_eq!(config.registries[0].login_server, target.login, "{text}");
        }
        let endpoint: Name = "contoso.eastus.data.azurecr.io".parse().unwrap();
        let entry = entry(&target, &endpoint, false);
        let config =
            config::parse(entry.split_once('\n').unwrap().1, "config.toml".as_ref()).unwrap();
        assert_eq!(config.registries[0].data_endpoints, [endpoint]);
    }

    #[test]
    fn names_with_a_hash_are_not_derived_from_regions() {
        let target = RegistryTarget::parse("contoso-e7ggejfuhzhgedc8", Cloud::Public).unwrap();
        let advice = migration(&target, &["eastus".to_owned()], "");
        assert!(!advice.contains("regions"), "{advice}");
        assert!(advice.contains("--name contoso "), "{advice}");
    }

    #[test]
    fn regions_are_read_from_names() {
        let name = |text: &str| -> Name { text.parse().unwrap() };
        let chain = ["eus-3.fe.azcr.io", "r0330eus-3.eastus.cloudapp.azure.com"].map(name);
        assert_eq!(region_of_chain(&chain).as_deref(), Some("eastus"));
        assert_eq!(region_of_chain(&chain[..1]), None);
        let endpoint = name("contoso.westus.data.azurecr.io");
        assert_eq!(region_of(&endpoint).as_deref(), Some("westus"));
    }
}
