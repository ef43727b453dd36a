//! A service-tags file in the published format: the bundle's prefixes and the lab's, as a later publication than the bundle.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use enforcer::{
    azure::bundle,
    config::{Cloud, REGISTRY_TAG, STORAGE_TAG},
};
use serde::Serialize;

use super::{DATA_EASTUS, DATA_WESTUS, LOGIN_EASTUS, LOGIN_WESTUS, REGISTRIES, REPLICAS, STORAGE};

/// The names of the fields are Azure's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    change_number: u32,
    cloud: &'static str,
    values: Vec<Tag>,
}

#[derive(Serialize)]
struct Tag {
    name: String,
    id: String,
    properties: Properties,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    change_number: u32,
    region: String,
    region_id: u32,
    platform: &'static str,
    system_service: &'static str,
    address_prefixes: Vec<String>,
    network_features: Option<[&'static str; 4]>,
}

/// The change number of the lab's `publication`: later than any bundle's.
#[must_use]
pub const fn change_number(publication: u32) -> u32 {
    5000 + publication
}

/// The text of the file, with the change number of `publication`.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn file(publication: u32) -> Result<String> {
    let mut tags = bundled()?;
    let mut add = |name: &str, prefixes: &[[&str; 2]]| {
        let prefixes = prefixes.as_flattened().iter();
        let known = tags.entry(name.to_owned()).or_default();
        known.extend(prefixes.map(|prefix| (*prefix).to_owned()));
    };
    let replicas = REPLICAS.map(|region| region.data);
    add(REGISTRY_TAG, &[REGISTRIES]);
    add(REGISTRY_TAG, &replicas);
    add(&regional("eastus"), &[LOGIN_EASTUS, DATA_EASTUS]);
    add(&regional("westus"), &[LOGIN_WESTUS, DATA_WESTUS]);
    for region in &REPLICAS {
        add(&regional(region.name), &[region.data]);
    }
    add(STORAGE_TAG, &[STORAGE]);
    add(
        "Storage.EastUS",
        &[["203.0.113.0/25", "2001:db8:b10b::/49"]],
    );
    let file = File {
        change_number: change_number(publication),
        cloud: "Public",
        values: tags
            .into_iter()
            .map(|(name, prefixes)| tag(name, prefixes))
            .collect(),
    };
    serde_json::to_string_pretty(&file).context("write the service tags")
}

/// By tag, the bundle's prefixes: a file that lacks them is refused.
fn bundled() -> Result<BTreeMap<String, Vec<String>>> {
    let bundle = bundle::load(Cloud::Public)?;
    let regions = bundle.registry_regions.into_iter();
    let regions = regions.map(|(region, prefixes)| (regional(&region), prefixes));
    let tags = bundle.families.into_iter().chain(regions);
    let text = |(name, prefixes): (String, enforcer::azure::PrefixSet)| {
        (
            name,
            prefixes.iter().map(|prefix| prefix.to_string()).collect(),
        )
    };
    Ok(tags.map(text).collect())
}

/// The tag of registries in `region`. The published names have capitals, which count for nothing; the lab's own have those of [`REPLICAS`].
fn regional(region: &str) -> String {
    let known = REPLICAS.iter().find(|known| known.name == region);
    let tag = match (region, known) {
        ("eastus", _) => "EastUS",
        ("westus", _) => "WestUS",
        (_, Some(known)) => known.tag,
        _ => region,
    };
    format!("{REGISTRY_TAG}.{tag}")
}

/// The published file has null network features for many tags; here the regional ones.
fn tag(name: String, address_prefixes: Vec<String>) -> Tag {
    let is_global = !name.contains('.');
    let system_service = match name.starts_with(STORAGE_TAG) {
        true => "AzureStorage",
        false => REGISTRY_TAG,
    };
    let properties = Properties {
        change_number: 1,
        region: region_of(&name),
        region_id: u32::from(!is_global),
        platform: "Azure",
        system_service,
        address_prefixes,
        network_features: is_global.then_some(["API", "NSG", "UDR", "FW"]),
    };
    Tag {
        id: name.clone(),
        name,
        properties,
    }
}

fn region_of(tag: &str) -> String {
    let region = tag.split_once('.').map(|(_, region)| region);
    region.unwrap_or_default().to_lowercase()
}
