//! Whether the kernel can hold what a configuration names.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::config::{EndpointPattern, Exception};
use crate::daemon::Sources;
use crate::name::Name;
use crate::policy::{ExceptionInput, Inputs, NameInput, Protected, compile, compile_tables};

/// Compiles the policy as it would be before the first answer, each exception for a cgroup that nobody has.
///
/// # Errors
/// Where it does not fit, or an exception cannot be held.
pub(in crate::cli) fn compile_for_nobody(sources: &Sources) -> Result<()> {
    let protected = Protected {
        layers: sources.layers()?,
        nat64: sources.config.protect.nat64.clone(),
        exempt: Vec::new(),
    };
    let exceptions = (1..).zip(&sources.config.exceptions);
    let input = |(cgroup, exception): (u64, &Exception)| ExceptionInput {
        cgroup,
        level: 1,
        deadline: u64::MAX,
        prefixes: exception.cidrs.clone(),
        addresses: Vec::new(),
    };
    let inputs = Inputs {
        audit: false,
        default_allow: true,
        allowed: Vec::new(),
        exceptions: exceptions.map(input).collect(),
        names: names(sources),
        ..Inputs::default()
    };
    compile(&inputs, compile_tables(&protected)?)?;
    Ok(())
}

/// Each name and pattern that is allowed to anybody, once, as it is before the first answer.
fn names(sources: &Sources) -> Vec<NameInput> {
    let registries = sources.endpoints.iter().flatten();
    let registries = registries.map(|endpoint| endpoint.name.as_str());
    let config = &sources.config;
    let patterns = config.registries.iter().flat_map(|one| &one.patterns);
    let patterns = patterns.map(EndpointPattern::as_str);
    let exceptions = config.exceptions.iter().flat_map(|one| &one.names);
    let exceptions = exceptions.map(Name::as_str);
    let all: BTreeSet<&str> = registries.chain(patterns).chain(exceptions).collect();
    let input = |name: &str| NameInput {
        text: name.to_owned(),
        ..NameInput::default()
    };
    all.into_iter().map(input).collect()
}

#[cfg(test)]
mod tests {
    use enforcer_common::layout::{MAX_NAMES, MAX_PREFIXES};

    use crate::cli::plan::tests::{CONFIG, planned};

    #[test]
    fn more_names_than_the_kernel_holds_are_refused() {
        let registries = (0..MAX_NAMES / 2).map(|number| {
            format!(
                "[[registry]]\nlogin-server = \"r{number}.azurecr.io\"\nregions = [\"eastus\"]\n"
            )
        });
        let most: String = registries.collect();
        assert_eq!(planned(&most, "2026-01-01T00:00:00Z").1, "");
        let text = format!(
            "{most}[[registry]]\nlogin-server = \"more.azurecr.io\"\ndata-endpoints = [\"more.*.data.azurecr.io\"]\n"
        );
        let (_, refused) = planned(&text, "2026-01-01T00:00:00Z");
        assert!(
            refused.contains("4098 allowed names are to be held and 4096 fit"),
            "{refused}"
        );
    }

    #[test]
    fn what_the_maps_cannot_hold_is_refused() {
        let prefixes: Vec<String> = (0..=MAX_PREFIXES)
            .map(|index| format!("2001:db8:{index:x}::/48"))
            .collect();
        let text = CONFIG.replace("203.0.113.0/24", &prefixes.join("\", \""));
        let (_, refused) = planned(&text, "2026-01-01T00:00:00Z");
        assert!(refused.contains("4097 prefixes of exceptions"), "{refused}");
    }
}
