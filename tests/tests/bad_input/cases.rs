//! Configurations, and files that they name, of which nothing may be used.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use lab::{Lab, enforcer::Enforcer};
use serde_json::{Value, json};

/// One bad input.
pub(crate) struct Case {
    /// What is bad.
    pub(crate) what: &'static str,
    /// Makes it so, from a good configuration.
    pub(crate) spoil: fn(&Input<'_>) -> Result<()>,
    /// What the answer has to say: the thing, what is wrong, and the mend.
    pub(crate) says: &'static [&'static str],
}

/// A good configuration with its files, to spoil.
pub(crate) struct Input<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) enforcer: &'a Enforcer,
}

pub(crate) const CASES: [Case; 18] = [
    Case {
        what: "a missing file",
        spoil: |input| Ok(fs::remove_file(input.enforcer.config())?),
        says: &["config.toml: cannot be read", "--config"],
    },
    Case {
        what: "a file that cannot be read",
        spoil: |input| {
            fs::remove_file(input.enforcer.config())?;
            Ok(fs::create_dir(input.enforcer.config())?)
        },
        says: &["config.toml: cannot be read", "--config"],
    },
    Case {
        what: "invalid TOML",
        spoil: |input| input.enforcer.edit("[protect]", "[protect"),
        says: &["config.toml:3"],
    },
    Case {
        what: "an unknown key",
        spoil: |input| input.enforcer.edit("linger =", "lingers ="),
        says: &["config.toml:11: dns.lingers", "linger"],
    },
    Case {
        what: "a wildcard as login server",
        spoil: |input| {
            input
                .enforcer
                .edit("\"contoso.azurecr.io\"", "\"*.azurecr.io\"")
        },
        says: &["registry.login-server", "*.azurecr.io"],
    },
    Case {
        what: "a wildcard as data endpoint",
        spoil: |input| data_endpoint(input, "*.blob.core.windows.net"),
        says: &["registry.data-endpoints", "*.blob.core.windows.net"],
    },
    Case {
        what: "another registry's data endpoint",
        spoil: |input| data_endpoint(input, "evil.eastus.data.azurecr.io"),
        says: &[
            "registry.data-endpoints",
            "evil.eastus.data.azurecr.io",
            "would open another registry",
        ],
    },
    Case {
        what: "another cloud's registry",
        spoil: |input| {
            input
                .enforcer
                .edit("\"contoso.azurecr.io\"", "\"contoso.azurecr.us\"")
        },
        says: &["registry.login-server", "protect.cloud = \"us-government\""],
    },
    Case {
        what: "half a service-tags file",
        spoil: |input| {
            let text = fs::read_to_string(input.lab.world().service_tags())?;
            tags_text(input, &text[..text.len() / 2])
        },
        says: &[
            "tags.json",
            "not a whole service-tags file",
            "download it again",
        ],
    },
    Case {
        what: "another cloud's service tags",
        spoil: |input| tags(input, |file| file["cloud"] = json!("AzureGovernment")),
        says: &["tags.json", "AzureGovernment", "protect.cloud"],
    },
    Case {
        what: "service tags without one that is asked for",
        spoil: |input| {
            tags(input, |file| {
                if let Some(values) = file["values"].as_array_mut() {
                    values.retain(|tag| tag["name"] != "Storage");
                }
            })
        },
        says: &["tags.json", "has no tag \"Storage\"", "protect.tags"],
    },
    Case {
        what: "a prefix with host bits",
        spoil: |input| tags(input, |file| add_storage(file, "203.0.113.1/24")),
        says: &[
            "tags.json",
            "203.0.113.1/24",
            "bits set after its length",
            "download",
        ],
    },
    Case {
        what: "a prefix that is too long",
        spoil: |input| tags(input, |file| add_storage(file, "203.0.113.0/33")),
        says: &[
            "tags.json",
            "203.0.113.0/33",
            "longer than an address",
            "download",
        ],
    },
    Case {
        what: "an address of registries in storage",
        spoil: |input| tags(input, |file| add_storage(file, "198.51.100.0/30")),
        says: &[
            "tags.json",
            "AzureContainerRegistry",
            "\"Storage\"",
            "198.51.100.0/30",
        ],
    },
    Case {
        what: "dedicated data endpoints that are off",
        spoil: |input| shown(input, "contoso", "*.blob.core.windows.net", "}"),
        says: &[
            "shown.json",
            "dedicated data endpoints are off",
            "--data-endpoint-enabled",
        ],
    },
    Case {
        what: "another registry's endpoints",
        spoil: |input| shown(input, "fabrikam", "fabrikam.eastus.data.azurecr.io", "}"),
        says: &[
            "shown.json",
            "fabrikam.azurecr.io, not contoso.azurecr.io",
            "az acr",
        ],
    },
    Case {
        what: "half-written endpoints",
        spoil: |input| shown(input, "contoso", "contoso.eastus.data.azurecr.io", ""),
        says: &["shown.json", "az acr show-endpoints", "write it anew"],
    },
    Case {
        what: "an endpoints file that is not there",
        spoil: |input| {
            input
                .enforcer
                .edit("regions = [", "endpoints-file = \"none.json\"\nregions = [")
        },
        says: &["none.json", "cannot be read", "az acr show-endpoints"],
    },
];

/// Writes what `az acr show-endpoints` prints, with the trailing commas of Microsoft's sample, and has it used in
/// place of regions.
pub(crate) fn shown(
    input: &Input<'_>,
    registry: &str,
    data_endpoint: &str,
    end: &str,
) -> Result<()> {
    let text = format!(
        "{{\n  \"loginServer\": \"{registry}.azurecr.io\",\n  \"dataEndpoints\": [\n    {{\n      \"region\": \"eastus\",\n      \
         \"endpoint\": \"{data_endpoint}\",\n    }},\n  ],\n{end}"
    );
    fs::write(file(input, "shown.json"), text)?;
    input
        .enforcer
        .edit("regions = [\"eastus\"]", "endpoints-file = \"shown.json\"")
}

/// Has service tags used that differ from the lab's by `change`.
pub(crate) fn tags(input: &Input<'_>, change: impl FnOnce(&mut Value)) -> Result<()> {
    let text = fs::read_to_string(input.lab.world().service_tags())?;
    let mut tags = serde_json::from_str(&text)?;
    change(&mut tags);
    tags_text(input, &serde_json::to_string_pretty(&tags)?)
}

fn tags_text(input: &Input<'_>, text: &str) -> Result<()> {
    let path = file(input, "tags.json");
    fs::write(&path, text)?;
    let used = |path| format!("service-tags = {path:?}");
    input
        .enforcer
        .edit(&used(input.lab.world().service_tags()), &used(&path))
}

/// Adds `prefix` to the global tag of storage.
fn add_storage(file: &mut Value, prefix: &str) {
    let tags = file["values"].as_array_mut().into_iter().flatten();
    for tag in tags.filter(|tag| tag["name"] == "Storage") {
        let prefixes = tag["properties"]["addressPrefixes"].as_array_mut();
        prefixes.into_iter().for_each(|all| all.push(json!(prefix)));
    }
}

fn data_endpoint(input: &Input<'_>, name: &str) -> Result<()> {
    let with_endpoint = format!("data-endpoints = [{name:?}]\nregions = [");
    input.enforcer.edit("regions = [", &with_endpoint)
}

/// A file beside the configuration, from where names of files count.
fn file(input: &Input<'_>, name: &str) -> PathBuf {
    input.enforcer.config().with_file_name(name)
}

/// Makes the configuration good again.
pub(crate) fn mend(input: &Input<'_>, good: &str) -> Result<()> {
    let config = input.enforcer.config();
    if config.is_dir() {
        fs::remove_dir(&config).context("remove the directory in the configuration's place")?;
    }
    input.enforcer.configure(good)
}
