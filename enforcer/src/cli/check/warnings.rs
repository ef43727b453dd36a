//! Warnings: what is valid in a configuration and the files that it names, but probably a mistake.

use std::path::Path;

use jiff::Timestamp;

use crate::azure::regions;
use crate::config::{Config, EndpointKind, Target};
use crate::sources::Sources;
use crate::sys::Cgroup;

/// Returns one sentence for each, on a host whose cgroup tree is at `root`.
pub(super) fn warnings(sources: &Sources, now: Timestamp, root: Option<&Path>) -> Vec<String> {
    let mut warnings = sources.config.warnings(now);
    warnings.extend(sources.config.weaknesses());
    warnings.extend(sources.age_alarm(now));
    let concern = sources.tags_concern();
    warnings.extend(concern.map(|concern| concern.why().to_owned()));
    warnings.extend(unknown_regions(sources));
    warnings.extend(without_data_endpoint(sources));
    if let Some(root) = root {
        warnings.extend(missing_cgroups(&sources.config, root));
    }
    warnings
}

/// Regions that are neither in this program's list, nor in the service tags, nor in `discovery.regions`.
fn unknown_regions(sources: &Sources) -> Vec<String> {
    let config = &sources.config;
    let known = regions::all(&sources.tags, &config.discovery.regions);
    let named = config.registries.iter().flat_map(|registry| {
        let regions = registry.regions.iter();
        regions.map(|region| (region, &registry.login_server))
    });
    let unknown = named.filter(|(region, _)| !known.contains(*region));
    let warning = |(region, login_server)| {
        format!(
            "registry.regions: \"{region}\" is in no list of regions, so {login_server} may have no replica there; \
             correct it (az acr replication list shows the names), or add a new region to discovery.regions"
        )
    };
    unknown.map(warning).collect()
}

/// Registries without an allowed data endpoint.
fn without_data_endpoint(sources: &Sources) -> Vec<String> {
    let registries = sources.config.registries.iter().zip(&sources.endpoints);
    let bare = registries.filter(|(registry, names)| {
        let mut kinds = names.iter().map(|endpoint| endpoint.kind);
        !kinds.any(|kind| kind == EndpointKind::Data) && registry.patterns.is_empty()
    });
    let warning = |(registry, _): (&crate::config::Registry, _)| {
        format!(
            "{}: no data endpoint is named, so no layer can be pulled; add regions, data-endpoints or endpoints-file",
            registry.login_server
        )
    };
    bare.map(warning).collect()
}

/// The scope and the cgroups of exceptions, where they are not in the tree at `root`.
fn missing_cgroups(config: &Config, root: &Path) -> Vec<String> {
    let is_missing = |path: &Path| Cgroup::open(root, path).is_err();
    let scope = config.scope.as_deref().filter(|scope| is_missing(scope));
    let scope = scope.map(|scope| {
        format!(
            "scope: {} is not a cgroup of this host, and the daemon starts only once it exists; correct it, or create the cgroup first",
            scope.display()
        )
    });
    let targets = config.exceptions.iter().map(|exception| &exception.target);
    let cgroups = targets.filter_map(|target| match target {
        Target::Cgroup(path) => is_missing(path).then_some(path),
        // Most units have a cgroup only while they run.
        Target::Unit(_) => None,
    });
    let cgroups = cgroups.map(|path| {
        format!(
            "exception.cgroup: {} is not a cgroup of this host, and the exception allows nothing until it exists; correct it if it is misspelt",
            path.display()
        )
    });
    scope.into_iter().chain(cgroups).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::cli::check::plan::tests::{CONFIG, planned_on};

    /// The warnings about `text` at `now` on a host with the cgroup /plant.slice.
    fn warnings(text: &str, now: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let slice = root.path().join("plant.slice");
        fs::create_dir(&slice).unwrap();
        fs::write(slice.join("cgroup.controllers"), "").unwrap();
        let (plan, refused) = planned_on(Some(root.path()), text, now);
        plan.expect(&refused).warnings
    }

    #[track_caller]
    fn assert_warned(warnings: &[String], words: &[&str]) {
        let is_meant = |warning: &&String| words.iter().all(|word| warning.contains(word));
        let count = warnings.iter().filter(is_meant).count();
        assert_eq!(count, 1, "{words:?} in {warnings:#?}");
    }

    #[test]
    fn probable_mistakes_are_warnings() {
        let warned = warnings(CONFIG, "2028-01-01T00:00:00Z");
        assert_warned(&warned, &["ended at 2027-01-31"]);
        assert_warned(&warned, &["days old"]);
        assert_warned(&warned, &["bare.azurecr.io: no data endpoint"]);
        let good = |warning: &String| warning.contains("contoso.azurecr.io");
        assert!(!warned.iter().any(good), "{warned:?}");
    }

    #[test]
    fn an_unknown_region_is_a_warning_unless_the_configuration_adds_it() {
        let now = "2026-07-23T00:00:00Z";
        let with = |regions: &str, more: &str| {
            CONFIG.replace("regions = [\"eastus\"]", &format!("regions = {regions}")) + more
        };
        // southeastus3 is in the service tags only.
        let warned = warnings(&with("[\"eastsu\", \"southeastus3\"]", ""), now);
        assert_warned(
            &warned,
            &[
                "registry.regions",
                "\"eastsu\"",
                "contoso.azurecr.io",
                "discovery.regions",
            ],
        );
        let unknown = |warned: &[String]| {
            warned
                .iter()
                .filter(|one| one.contains("is in no list of regions"))
                .count()
        };
        assert_eq!(unknown(&warned), 1);
        let added = "\n[discovery]\nregions = [\"eastsu\"]\n";
        assert_eq!(unknown(&warnings(&with("[\"eastsu\"]", added), now)), 0);
    }

    #[test]
    fn a_missing_scope_and_a_missing_cgroup_are_warnings() {
        let now = "2026-07-23T00:00:00Z";
        let with = |scope: &str, target: &str| {
            CONFIG
                .replace("\"/sys/fs/cgroup/plant.slice\"", scope)
                .replace("unit = \"agent.service\"", target)
        };
        let missing = |warned: &[String]| {
            warned
                .iter()
                .filter(|one| one.contains("is not a cgroup"))
                .count()
        };
        let warned = warnings(&with("\"/plnt.slice\"", "cgroup = \"/plnt\""), now);
        assert_eq!(missing(&warned), 2);
        assert_warned(&warned, &["scope: /plnt.slice is not a cgroup"]);
        assert_warned(&warned, &["exception.cgroup: /plnt is not a cgroup"]);
        let warned = warnings(&with("\"/plant.slice\"", "cgroup = \"/plant.slice\""), now);
        assert_eq!(missing(&warned), 0);
    }

    #[test]
    fn a_reason_cannot_forge_a_line_of_the_plan() {
        let text = CONFIG.replace("\"logs\"", "\"logs\\nwarning: all is well\\u001b[2J\"");
        let (plan, refused) = planned_on(None, &text, "2027-01-30T00:00:00Z");
        let shown = plan.expect(&refused).to_string();
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
        let forged = |line: &str| line.trim_start().starts_with("warning: all is well");
        assert!(!shown.lines().any(forged), "{shown}");
        assert_eq!(
            shown
                .matches("logs\\nwarning: all is well\\u{1b}[2J")
                .count(),
            2,
            "{shown}"
        );
    }
}
