//! Edits that invalidate a configuration, or a file that it names, and restore it.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::cases::Input;

/// Writes the output of `az acr show-endpoints`, with the trailing commas of Microsoft's sample, and configures it
/// in place of regions.
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

/// Converts the file of [`shown`] to UTF-16, as PowerShell's `>` writes it.
pub(crate) fn as_powershell_writes(input: &Input<'_>) -> Result<()> {
    let path = file(input, "shown.json");
    let text = format!("\u{feff}{}", fs::read_to_string(&path)?).replace('\n', "\r\n");
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    Ok(fs::write(path, bytes)?)
}

/// Configures service tags that differ from the lab's by `change`.
pub(crate) fn tags(input: &Input<'_>, change: impl FnOnce(&mut Value)) -> Result<()> {
    let text = fs::read_to_string(input.lab.network().service_tags())?;
    let mut tags = serde_json::from_str(&text)?;
    change(&mut tags);
    tags_text(input, &serde_json::to_string_pretty(&tags)?)
}

pub(crate) fn tags_text(input: &Input<'_>, text: &str) -> Result<()> {
    let path = file(input, "tags.json");
    fs::write(&path, text)?;
    let used = |path| format!("service-tags = {path:?}");
    input
        .enforcer
        .edit(&used(input.lab.network().service_tags()), &used(&path))
}

/// Adds `prefix` to the global tag of storage.
pub(crate) fn add_storage(file: &mut Value, prefix: &str) {
    let tags = file["values"].as_array_mut().into_iter().flatten();
    for tag in tags.filter(|tag| tag["name"] == "Storage") {
        let prefixes = tag["properties"]["addressPrefixes"].as_array_mut();
        prefixes.into_iter().for_each(|all| all.push(json!(prefix)));
    }
}

pub(crate) fn data_endpoint(input: &Input<'_>, name: &str) -> Result<()> {
    let with_endpoint = format!("data-endpoints = [{name:?}]\nregions = [");
    input.enforcer.edit("regions = [", &with_endpoint)
}

/// Returns the path of a file in the configuration's directory, to which relative names refer.
pub(crate) fn file(input: &Input<'_>, name: &str) -> PathBuf {
    input.enforcer.config().with_file_name(name)
}

/// Restores the configuration.
pub(crate) fn restore(input: &Input<'_>, good: &str) -> Result<()> {
    let config = input.enforcer.config();
    if config.is_dir() {
        fs::remove_dir(&config).context("remove the directory at the configuration's path")?;
    }
    input.enforcer.configure(good)
}
