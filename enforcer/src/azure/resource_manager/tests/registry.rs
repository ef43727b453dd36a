use serde_json::{Value, json};

use super::*;
use crate::azure::endpoints::{EndpointKind, Provenance};

/// The answer of the API, with these names.
fn resource(data: &[&str], regional: Option<&[&str]>) -> Value {
    let mut resource = json!({
        "id": id().to_string(), "name": "contoso", "type": "Microsoft.ContainerRegistry/registries", "location": "eastus",
        "sku": {"name": "Premium", "tier": "Premium"},
        "properties": {"loginServer": "Contoso.azurecr.io", "provisioningState": "Updating", "status": null,
            "dataEndpointEnabled": true, "dataEndpointHostNames": data, "privateEndpointConnections": []}
    });
    if let Some(regional) = regional {
        resource["properties"]["regionalEndpointHostNames"] = json!(regional);
    }
    resource
}

fn read(resource: &Value) -> Result<Vec<Endpoint>, FetchProblem> {
    let bytes = resource.to_string().into_bytes();
    super::super::registry::parse(&bytes, &contoso().login_server, &id(), Cloud::Public)
}

async fn ask(reply: ScriptedResponse) -> Result<Vec<Endpoint>, FetchError> {
    let fixture = Fixture::new(move |_| reply.clone()).await;
    fixture.azure.registry(&contoso(), &id(), &pinned()).await
}

#[tokio::test]
async fn the_names_of_all_replicas_are_returned() {
    let names = [
        "contoso.eastus.data.azurecr.io",
        "contoso.westus.data.azurecr.io",
    ];
    let body = resource(&names, Some(&["contoso.eastus.geo.azurecr.io"])).to_string();
    let fixture = Fixture::new(move |_| response(200, &[], &body)).await;
    let found = fixture
        .azure
        .registry(&contoso(), &id(), &pinned())
        .await
        .unwrap();
    let found_names: Vec<_> = found
        .iter()
        .map(|one| (one.name.as_str(), one.kind))
        .collect();
    assert_eq!(
        found_names,
        [
            (names[0], EndpointKind::Data),
            (names[1], EndpointKind::Data),
            ("contoso.eastus.geo.azurecr.io", EndpointKind::Regional)
        ]
    );
    assert!(found.iter().all(|one| one.origin == Provenance::Manager));
    assert_eq!(found[0].origin.to_string(), "Azure Resource Manager");
    fixture
        .azure
        .registry(&contoso(), &id(), &pinned())
        .await
        .unwrap();
    assert_eq!(fixture.machine.received().len(), 1, "the token is kept");
    let path = "/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/contoso";
    let line = format!("GET /subscriptions/{GUID}{path}?api-version=2025-11-01");
    assert!(
        fixture
            .manager
            .received()
            .iter()
            .all(|request| request.line == line)
    );
}

#[test]
fn preview_fields_may_be_missing_or_null_and_others_may_not() {
    let data = ["contoso.eastus.data.azurecr.io"];
    let mut with_null = resource(&data, None);
    with_null["properties"]["regionalEndpointHostNames"] = Value::Null;
    for fine in [
        &resource(&data, None),
        &with_null,
        &resource(&data, Some(&[])),
    ] {
        assert_eq!(read(fine).unwrap().len(), 1);
    }
    for key in [
        "loginServer",
        "dataEndpointEnabled",
        "dataEndpointHostNames",
    ] {
        let mut resource = resource(&data, None);
        resource["properties"].as_object_mut().unwrap().remove(key);
        let error = read(&resource).unwrap_err().to_string();
        assert!(error.contains(key), "{error}");
    }
    assert!(matches!(read(&json!([])), Err(FetchProblem::Malformed(_))));
}

#[test]
fn the_error_for_disabled_data_endpoints_has_the_fix() {
    let mut off = resource(&["contoso.eastus.data.azurecr.io"], None);
    off["properties"]["dataEndpointEnabled"] = json!(false);
    let mut without_names = off.clone();
    without_names["properties"]["dataEndpointHostNames"] = Value::Null;
    for resource in [off, without_names] {
        let error = read(&resource).unwrap_err().to_string();
        assert!(error.starts_with(&id().to_string()), "{error}");
        assert!(
            error.contains("az acr update --name contoso --data-endpoint-enabled"),
            "{error}"
        );
    }
    for resource in [
        resource(&[], None),
        resource(&["contoso.eastus.geo.azurecr.io"], None),
    ] {
        let error = read(&resource).unwrap_err().to_string();
        assert!(error.contains("has no data endpoint"), "{error}");
    }
}

#[test]
fn a_foreign_name_a_wildcard_or_another_registry_invalidates_the_answer() {
    let good = "contoso.eastus.data.azurecr.io";
    for (foreign, why) in [
        (
            "evil.eastus.data.azurecr.io",
            "would allow another registry",
        ),
        (
            "contoso.blob.core.windows.net",
            "would allow another registry",
        ),
        ("*.blob.core.windows.net", "wildcard"),
        ("*.eastus.data.azurecr.io", "wildcard"),
        ("not a name", "not a host name"),
    ] {
        for resource in [
            resource(&[good, foreign], None),
            resource(&[good], Some(&[foreign])),
        ] {
            let error = read(&resource).unwrap_err().to_string();
            assert!(error.contains(why), "{foreign}: {error}");
        }
    }
    let mut other = resource(&[good], None);
    other["properties"]["loginServer"] = json!("fabrikam.azurecr.io");
    let error = read(&other).unwrap_err().to_string();
    assert!(
        error.contains("is fabrikam.azurecr.io, not contoso.azurecr.io; fix"),
        "{error}"
    );
}

#[test]
fn more_names_than_256_are_refused() {
    let names = |count: usize, kind: &str| -> Vec<String> {
        let names = (0..count).map(|n| format!("contoso.r{n}.{kind}.azurecr.io"));
        names.collect()
    };
    let read = |data: usize, regional: usize| {
        let (data, regional) = (names(data, "data"), names(regional, "geo"));
        let data: Vec<&str> = data.iter().map(String::as_str).collect();
        let regional: Vec<&str> = regional.iter().map(String::as_str).collect();
        read(&resource(&data, Some(&regional)))
    };
    assert_eq!(read(128, 128).unwrap().len(), 256);
    let error = read(128, 129).unwrap_err().to_string();
    assert!(error.contains("has 257 names, more than 256"), "{error}");
}

#[tokio::test]
async fn each_refusal_has_a_fix() {
    for (status, why) in [
        (401, "azure.tenant-id"),
        (
            401,
            "the token of the managed identity of this virtual machine (401)",
        ),
        (403, "Microsoft.ContainerRegistry/registries/read"),
        (
            403,
            "the managed identity of this virtual machine may not read",
        ),
        (404, "fix registry.resource-id"),
        (429, "too many requests"),
        (500, "an internal error (500)"),
        (503, "an internal error (503)"),
        (307, "not followed"),
        (204, "answers 204"),
        (418, "answers 418"),
    ] {
        let headers = [("Retry-After", "17"), ("Location", "https://evil.example/")];
        let error = ask(response(status, &headers, r#"{"error":{"code":"x"}}"#))
            .await
            .unwrap_err();
        assert_eq!(
            error.retry_after(),
            Some(Duration::from_secs(17)),
            "{status}"
        );
        let error = error.to_string();
        assert!(
            error.starts_with(&format!("{}: ", id())) && error.contains(why),
            "{error}"
        );
        assert!(!error.contains("t0ken") && !error.contains('\n'), "{error}");
    }
}

#[tokio::test]
async fn a_malformed_answer_is_refused() {
    let whole = resource(&["contoso.eastus.data.azurecr.io"], None).to_string();
    let cut = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{{",
        whole.len()
    );
    let large = "[".repeat(2 << 20);
    for (reply, why) in [
        (
            response(200, &[], "<html>"),
            "does not match the API's documentation",
        ),
        (
            response(200, &[], &whole[..whole.len() - 1]),
            "does not match the API's documentation",
        ),
        (response(200, &[], &large), "larger than"),
        (ScriptedResponse::Bytes(cut.into_bytes()), "truncated"),
        (ScriptedResponse::Bytes(Vec::new()), "truncated"),
    ] {
        let error = ask(reply).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(ask(response(200, &[], &whole)).await.is_ok());
}

#[tokio::test]
async fn a_rejected_token_is_replaced() {
    let fixture = Fixture::new(|_| response(401, &[], "")).await;
    for _ in 0..2 {
        let error = fixture.azure.registry(&contoso(), &id(), &pinned()).await;
        assert!(error.is_err());
    }
    assert_eq!(fixture.machine.received().len(), 2);
}

#[tokio::test]
async fn a_host_without_addresses_is_reported_and_no_token_requested() {
    let fixture = Fixture::new(|_| response(200, &[], "")).await;
    let error = fixture
        .azure
        .registry(&contoso(), &id(), &PinnedAddresses::new())
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.not_resolved().map(Name::as_str), Some(MANAGER));
    assert!(fixture.machine.received().is_empty() && fixture.manager.received().is_empty());
}

#[tokio::test]
async fn a_server_with_an_untrusted_certificate_gets_no_token() {
    let fixture = Fixture::new(|_| response(200, &[], "")).await;
    let impostor = TestServer::tls(&[MANAGER], |_| response(200, &[], "")).await;
    let settings = config::Azure {
        credential: config::CredentialKind::ManagedIdentity,
        ..config::Azure::default()
    };
    let environment = Environment {
        instance_metadata: format!("http://127.0.0.1:{}", fixture.machine.port),
        ..Environment::default()
    };
    let azure = AzureClient::on(
        fixture.manager.client(),
        impostor.port,
        &settings,
        environment,
    );
    let error = azure
        .registry(&contoso(), &id(), &pinned())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("certificate is rejected"), "{error}");
    assert!(impostor.received().is_empty());
}
