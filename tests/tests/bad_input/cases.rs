//! Invalid configurations, and invalid files that they name.

use std::fs;

use anyhow::Result;
use lab::{Lab, fixtures::enforcer::Enforcer};
use serde_json::json;

use crate::edits::{add_storage, data_endpoint, file, shown, tags, tags_text};

/// One invalid input.
pub(crate) struct Case {
    /// Description.
    pub(crate) what: &'static str,
    /// Makes a valid configuration invalid.
    pub(crate) invalidate: fn(&Input<'_>) -> Result<()>,
    /// What the error message must contain: the location, the error, and the fix.
    pub(crate) says: &'static [&'static str],
}

/// A valid configuration with its files.
pub(crate) struct Input<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) enforcer: &'a Enforcer,
}

/// The case with two errors.
pub(crate) const TWO_FAULTS: &str = "two faults";
/// A warning of Azure's command line on standard error, which `2>&1` redirects into the file.
const AZ_WARNING: &str = "WARNING: Command group 'acr' is in preview.";

pub(crate) const CASES: [Case; 23] = [
    Case {
        what: "a missing file",
        invalidate: |input| Ok(fs::remove_file(input.enforcer.config())?),
        says: &["config.toml: cannot be read", "--config"],
    },
    Case {
        what: "a file that cannot be read",
        invalidate: |input| {
            fs::remove_file(input.enforcer.config())?;
            Ok(fs::create_dir(input.enforcer.config())?)
        },
        says: &["config.toml: cannot be read", "--config"],
    },
    Case {
        what: "invalid TOML",
        invalidate: |input| input.enforcer.edit("[protect]", "[protect"),
        says: &["config.toml:3"],
    },
    Case {
        what: "an unknown key",
        invalidate: |input| input.enforcer.edit("linger =", "lingers ="),
        says: &["config.toml:11: dns.lingers", "linger"],
    },
    Case {
        what: "a wildcard as login server",
        invalidate: |input| {
            input
                .enforcer
                .edit("\"contoso.azurecr.io\"", "\"*.azurecr.io\"")
        },
        says: &["registry.login-server", "*.azurecr.io"],
    },
    Case {
        what: "a wildcard as data endpoint",
        invalidate: |input| data_endpoint(input, "*.blob.core.windows.net"),
        says: &["registry.data-endpoints", "*.blob.core.windows.net"],
    },
    Case {
        what: "another registry's data endpoint",
        invalidate: |input| data_endpoint(input, "evil.eastus.data.azurecr.io"),
        says: &[
            "registry.data-endpoints",
            "evil.eastus.data.azurecr.io",
            "would allow another registry",
        ],
    },
    Case {
        what: "another cloud's registry",
        invalidate: |input| {
            input
                .enforcer
                .edit("\"contoso.azurecr.io\"", "\"contoso.azurecr.us\"")
        },
        says: &["registry.login-server", "protect.cloud = \"us-government\""],
    },
    Case {
        what: "half a service-tags file",
        invalidate: |input| {
            let text = fs::read_to_string(input.lab.network().service_tags())?;
            tags_text(input, &text[..text.len() / 2])
        },
        says: &[
            "tags.json",
            "not a complete service-tags file",
            "download it again",
        ],
    },
    Case {
        what: "another cloud's service tags",
        invalidate: |input| tags(input, |file| file["cloud"] = json!("AzureGovernment")),
        says: &["tags.json", "AzureGovernment", "protect.cloud"],
    },
    Case {
        what: "service tags without a configured one",
        invalidate: |input| {
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
        invalidate: |input| tags(input, |file| add_storage(file, "203.0.113.1/24")),
        says: &[
            "tags.json",
            "203.0.113.1/24",
            "bits set after its length",
            "download",
        ],
    },
    Case {
        what: "a prefix that is too long",
        invalidate: |input| tags(input, |file| add_storage(file, "203.0.113.0/33")),
        says: &[
            "tags.json",
            "203.0.113.0/33",
            "longer than an address",
            "download",
        ],
    },
    Case {
        what: "an address of registries in storage",
        invalidate: |input| tags(input, |file| add_storage(file, "198.51.100.0/30")),
        says: &[
            "tags.json",
            "AzureContainerRegistry",
            "\"Storage\"",
            "198.51.100.0/30",
        ],
    },
    Case {
        what: "dedicated data endpoints that are disabled",
        invalidate: |input| shown(input, "contoso", "*.blob.core.windows.net", "}"),
        says: &[
            "shown.json",
            "dedicated data endpoints are disabled",
            "--data-endpoint-enabled",
        ],
    },
    Case {
        what: "another registry's endpoints",
        invalidate: |input| shown(input, "fabrikam", "fabrikam.eastus.data.azurecr.io", "}"),
        says: &[
            "shown.json",
            "fabrikam.azurecr.io, not contoso.azurecr.io",
            "az acr",
        ],
    },
    Case {
        what: "half-written endpoints",
        invalidate: |input| shown(input, "contoso", "contoso.eastus.data.azurecr.io", ""),
        says: &[
            "shown.json",
            "it ends within line",
            "az acr show-endpoints --name contoso --output json",
        ],
    },
    Case {
        what: "a warning of Azure's command line before the endpoints",
        invalidate: |input| {
            shown(input, "contoso", "contoso.eastus.data.azurecr.io", "}")?;
            let path = file(input, "shown.json");
            let good = fs::read_to_string(&path)?;
            Ok(fs::write(&path, format!("{AZ_WARNING}\n{good}"))?)
        },
        says: &[
            "shown.json",
            "line 1, `WARNING: Command group 'acr' is in preview.`",
            "is a message from standard error",
            "az acr show-endpoints --name contoso --output json",
        ],
    },
    Case {
        what: "endpoints of a registry by its name alone",
        invalidate: |input| {
            shown(input, "contoso", "contoso.eastus.data.azurecr.io", "}")?;
            let path = file(input, "shown.json");
            let good = fs::read_to_string(&path)?;
            let bare = good.replace("\"contoso.azurecr.io\"", "\"contoso\"");
            Ok(fs::write(&path, bare)?)
        },
        says: &[
            "shown.json",
            "loginServer is \"contoso\"",
            "\"contoso.azurecr.io\"",
        ],
    },
    Case {
        what: "a registry's name alone as login server",
        invalidate: |input| input.enforcer.edit("\"contoso.azurecr.io\"", "\"contoso\""),
        says: &["registry.login-server", "write \"contoso.azurecr.io\""],
    },
    Case {
        what: "the list of the Service Tag Discovery API",
        invalidate: |input| {
            tags(input, |file| {
                file["changeNumber"] = json!(file["changeNumber"].to_string());
                file["nextLink"] = json!(null);
            })
        },
        says: &[
            "tags.json",
            "is the output of `az network list-service-tags`",
            "curl -sL 'https://www.microsoft.com/en-us/download/details.aspx?id=56519'",
        ],
    },
    Case {
        what: TWO_FAULTS,
        invalidate: |input| {
            input.enforcer.edit("linger =", "lingers =")?;
            input
                .enforcer
                .edit("regions = [\"eastus\"]", "regions = [\"East US\"]")
        },
        says: &["dns.lingers: unknown key", "registry.regions: \"East US\""],
    },
    Case {
        what: "a missing endpoints file",
        invalidate: |input| {
            input
                .enforcer
                .edit("regions = [", "endpoints-file = \"none.json\"\nregions = [")
        },
        says: &["none.json", "cannot be read", "az acr show-endpoints"],
    },
];
