//! A service-tags file for the lab's addresses, in the published format.

use anyhow::{Context, Result};
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
    region: &'static str,
    region_id: u32,
    platform: &'static str,
    system_service: &'static str,
    address_prefixes: Vec<&'static str>,
    network_features: Option<[&'static str; 4]>,
}

/// The file's text, with `change_number` for the whole file.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn file(change_number: u32) -> Result<String> {
    let (registry, storage) = ("AzureContainerRegistry", "AzureStorage");
    let replicas = REPLICAS.map(|region| region.data);
    let all_registries = [&[REGISTRIES], replicas.as_slice()].concat();
    let mut values = vec![
        tag("AzureContainerRegistry", "", 0, registry, &all_registries),
        tag(
            "AzureContainerRegistry.EastUS",
            "eastus",
            32,
            registry,
            &[LOGIN_EASTUS, DATA_EASTUS],
        ),
        tag(
            "AzureContainerRegistry.WestUS",
            "westus",
            31,
            registry,
            &[LOGIN_WESTUS, DATA_WESTUS],
        ),
        tag("Storage", "", 0, storage, &[STORAGE]),
        tag(
            "Storage.EastUS",
            "eastus",
            32,
            storage,
            &[["203.0.113.0/25", "2001:db8:b10b::/49"]],
        ),
    ];
    for (number, region) in (40..).zip(&REPLICAS) {
        let name = format!("AzureContainerRegistry.{}", region.tag);
        values.push(tag(&name, region.name, number, registry, &[region.data]));
    }
    let file = File {
        change_number,
        cloud: "Public",
        values,
    };
    serde_json::to_string_pretty(&file).context("write the service tags")
}

/// The published file has null network features for many tags; here the regional ones.
fn tag(
    name: &str,
    region: &'static str,
    region_id: u32,
    system_service: &'static str,
    prefixes: &[[&'static str; 2]],
) -> Tag {
    let properties = Properties {
        change_number: 1,
        region,
        region_id,
        platform: "Azure",
        system_service,
        address_prefixes: prefixes.as_flattened().to_vec(),
        network_features: region.is_empty().then_some(["API", "NSG", "UDR", "FW"]),
    };
    Tag {
        name: name.to_owned(),
        id: name.to_owned(),
        properties,
    }
}
