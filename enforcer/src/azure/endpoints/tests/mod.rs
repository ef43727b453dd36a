//! Names of registries.

mod endpoints_file;

use std::path::Path;

use super::*;

/// All names of a configuration, including those of its file.
fn endpoints(registry: &Registry, cloud: Cloud) -> Result<Vec<Endpoint>, EndpointError> {
    let mut found = configured(registry, cloud)?;
    if let Some(file) = &registry.endpoints_file {
        found.extend(of_file(file, &registry.login_server, cloud)?);
    }
    Ok(unique(found))
}

fn contoso() -> Registry {
    Registry {
        custom_domain: None,
        login_server: "contoso.azurecr.io".parse().unwrap(),
        regions: Vec::new(),
        discover: false,
        resource_id: None,
        data_endpoints: Vec::new(),
        endpoints_file: None,
        private_endpoints: Vec::new(),
        patterns: Vec::new(),
        sni: crate::config::Sni::Required,
    }
}

/// The output of `az acr show-endpoints` for contoso, with these data and regional endpoints.
fn shown(data: &[&str], regional: &[&str]) -> String {
    let list = |names: &[&str]| {
        let entries = names
            .iter()
            .map(|name| format!("{{\"region\": \"any\", \"endpoint\": \"{name}\",}},\n"));
        entries.collect::<String>()
    };
    format!(
        "{{\n\"loginServer\": \"Contoso.azurecr.io\",\n\"dataEndpoints\": [{}],\n\"regionalEndpoints\": [{}],\n}}\n",
        list(data),
        list(regional)
    )
}

fn read(text: &str) -> Result<Vec<Endpoint>, EndpointError> {
    parse(
        text.as_bytes(),
        Path::new("contoso.json"),
        &contoso().login_server,
        Cloud::Public,
    )
}

fn names(endpoints: &[Endpoint]) -> Vec<&str> {
    endpoints
        .iter()
        .map(|endpoint| endpoint.name.as_str())
        .collect()
}

#[test]
fn every_region_has_a_data_endpoint_and_each_name_is_returned_once() {
    let registry = Registry {
        regions: vec!["eastus".to_owned(), "westus".to_owned()],
        data_endpoints: vec![
            "contoso.eastus.data.azurecr.io".parse().unwrap(),
            "contoso.eastus.geo.azurecr.io".parse().unwrap(),
        ],
        ..contoso()
    };
    let found = endpoints(&registry, Cloud::Public).unwrap();
    let summary: Vec<_> = found
        .iter()
        .map(|one| (one.name.as_str(), one.kind, &one.origin))
        .collect();
    assert_eq!(
        summary,
        [
            (
                "contoso.azurecr.io",
                EndpointKind::LoginServer,
                &Provenance::Configured
            ),
            (
                "contoso.eastus.data.azurecr.io",
                EndpointKind::Data,
                &Provenance::Region("eastus".to_owned())
            ),
            (
                "contoso.westus.data.azurecr.io",
                EndpointKind::Data,
                &Provenance::Region("westus".to_owned())
            ),
            (
                "contoso.eastus.geo.azurecr.io",
                EndpointKind::Regional,
                &Provenance::Configured
            ),
        ]
    );
}

#[test]
fn a_name_of_another_registry_is_refused_in_every_place() {
    let evil = "evil.eastus.data.azurecr.io";
    let registry = Registry {
        data_endpoints: vec![evil.parse().unwrap()],
        ..contoso()
    };
    let error = endpoints(&registry, Cloud::Public).unwrap_err().to_string();
    assert!(
        error.starts_with("registry.data-endpoints: evil.eastus"),
        "{error}"
    );
    for foreign in [
        evil,
        "evil.azurecr.io",
        "contoso.blob.core.windows.net",
        "contoso.eastus.data.azurecr.us",
    ] {
        let error = read(&shown(&["contoso.eastus.data.azurecr.io", foreign], &[])).unwrap_err();
        assert!(
            matches!(error, EndpointError::Foreign { .. }),
            "{foreign}: {error}"
        );
        let error = read(&shown(&["contoso.eastus.data.azurecr.io"], &[foreign])).unwrap_err();
        assert!(
            matches!(error, EndpointError::Foreign { .. }),
            "{foreign}: {error}"
        );
    }
    let registry = Registry {
        regions: vec!["evil.eastus".to_owned()],
        ..contoso()
    };
    assert!(matches!(
        endpoints(&registry, Cloud::Public),
        Err(EndpointError::Region { .. })
    ));
}

#[test]
fn a_name_with_a_hash_keeps_it_in_its_data_endpoints() {
    let login: Name = "contoso-e7ggejfuhzhgedc8.azurecr.io".parse().unwrap();
    let read = |data: &str| {
        let text = shown(&[data], &[]).replace("Contoso.azurecr.io", login.as_str());
        parse(
            text.as_bytes(),
            Path::new("contoso.json"),
            &login,
            Cloud::Public,
        )
    };
    let found = read("contoso-e7ggejfuhzhgedc8.eastus.data.azurecr.io").unwrap();
    assert_eq!(
        names(&found),
        ["contoso-e7ggejfuhzhgedc8.eastus.data.azurecr.io"]
    );
    assert!(matches!(
        read("contoso.eastus.data.azurecr.io"),
        Err(EndpointError::Foreign { .. })
    ));
}

#[test]
fn more_names_than_256_are_refused() {
    let names: Vec<String> = (0..257)
        .map(|n| format!("contoso.r{n}.data.azurecr.io"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(read(&shown(&names[..256], &[])).unwrap().len(), 256);
    let error = read(&shown(&names, &[])).unwrap_err();
    assert!(matches!(error, EndpointError::TooManyNames { .. }));
    assert!(error.to_string().starts_with("contoso.json: has 257 names"));
}
