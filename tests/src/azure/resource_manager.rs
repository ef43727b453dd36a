//! Azure Resource Manager: the registry, its replications, and the Service Tag Discovery API.

use serde_json::{Value, json};

use super::{
    http::{Head, Reply},
    network::MANAGER_HOST,
    principal::{SUBSCRIPTION, TENANT, resource_id},
    state::State,
};

pub(super) fn answer(head: &Head, state: &mut State) -> Reply {
    let token = head
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    match token {
        None => return unauthorized("AuthenticationFailed", MISSING),
        Some(token) if !state.valid.contains(token) => {
            return unauthorized("InvalidAuthenticationToken", INVALID);
        }
        Some(_valid) => {}
    }
    let query = head.query();
    let version = query
        .get("api-version")
        .map(String::as_str)
        .unwrap_or_default();
    if version.is_empty() {
        let message =
            "The api-version query parameter (?api-version=) is required for all requests.";
        return error(400, "MissingApiVersionParameter", message);
    }
    // Paths of Resource Manager are case-insensitive.
    let path = head.path().trim_end_matches('/').to_ascii_lowercase();
    if head.method == "GET" && path == resource_id("contoso").to_ascii_lowercase() {
        return supported(version, &["2025-11-01", "2026-01-01-preview"])
            .unwrap_or_else(|| Reply::json(200, &registry(&state.data_endpoints)));
    }
    if head.method == "GET" && is_discovery(&path) {
        let page = query.get("$skiptoken").or_else(|| query.get("$skipToken"));
        let page = page.and_then(|text| text.parse().ok()).unwrap_or(0);
        return tags(state, page, &path, version);
    }
    failure(404)
}

const MISSING: &str = "Authentication failed. The 'Authorization' header is missing.";
const INVALID: &str = "The access token is invalid.";

/// Returns the body of a failure in the service's format.
pub(super) fn failure(status: u16) -> Reply {
    let (code, message) = match status {
        401 => {
            return unauthorized(
                "ExpiredAuthenticationToken",
                "The access token expiry UTC time is earlier than current UTC time.",
            );
        }
        403 => (
            "AuthorizationFailed",
            "The client does not have authorization to perform action 'Microsoft.ContainerRegistry/registries/read' over scope or the scope is invalid. If access was recently granted, please refresh your credentials.",
        ),
        404 => (
            "ResourceNotFound",
            "The Resource 'Microsoft.ContainerRegistry/registries/contoso' under resource group 'plant' was not found.",
        ),
        429 => ("TooManyRequests", "The request is being throttled."),
        503 => ("ServerTimeout", "The request timed out."),
        _ => ("InternalServerError", "Encountered internal server error."),
    };
    error(status, code, message)
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({ "error": { "code": code, "message": message } }),
    )
}

fn unauthorized(code: &str, message: &str) -> Reply {
    error(401, code, message).with(
        "WWW-Authenticate",
        format!(
            "Bearer authorization_uri=\"https://login.microsoftonline.com/{TENANT}\", error=\"invalid_token\", error_description=\"{message}\""
        ),
    )
}

fn supported(version: &str, versions: &[&str]) -> Option<Reply> {
    let message = "The api-version is invalid for this resource type.";
    (!versions.contains(&version)).then(|| error(400, "NoRegisteredProviderFound", message))
}

/// Returns the registry resource; the login server has a capital, as in Microsoft's examples.
fn registry(data_endpoints: &[String]) -> Value {
    json!({
        "id": resource_id("contoso"),
        "name": "contoso",
        "type": "Microsoft.ContainerRegistry/registries",
        "location": "eastus",
        "tags": {},
        "sku": { "name": "Premium", "tier": "Premium" },
        "properties": {
            "loginServer": "Contoso.azurecr.io",
            "creationDate": "2017-03-01T23:15:37.0707808Z",
            "provisioningState": "Succeeded",
            "status": null,
            "adminUserEnabled": false,
            "dataEndpointEnabled": true,
            "dataEndpointHostNames": data_endpoints,
            "privateEndpointConnections": [],
            "publicNetworkAccess": "Enabled",
            "zoneRedundancy": "Disabled",
        },
    })
}

fn is_discovery(path: &str) -> bool {
    let before = format!("/subscriptions/{SUBSCRIPTION}/providers/microsoft.network/locations/");
    path.strip_prefix(&before)
        .and_then(|rest| rest.strip_suffix("/servicetags"))
        .is_some_and(|location| !location.is_empty() && !location.contains('/'))
}

/// Returns a page of service tags; change numbers are strings.
fn tags(state: &State, page: usize, path: &str, version: &str) -> Reply {
    let values: Vec<Value> = state
        .tag_pages
        .get(page)
        .into_iter()
        .flatten()
        .map(discovered)
        .collect();
    let next = (page + 1 < state.tag_pages.len()).then(|| {
        format!(
            "https://{MANAGER_HOST}{path}?api-version={version}&$skiptoken={}",
            page + 1
        )
    });
    let mut body = json!({
        "name": "Public",
        "id": format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/serviceTags/Public"),
        "type": "Microsoft.Network/serviceTags",
        "changeNumber": state.tag_change_number.to_string(),
        "cloud": "Public",
        "values": values,
    });
    if let Some(next) = state.next_link.clone().or(next) {
        body["nextLink"] = next.into();
    }
    Reply::json(200, &body)
}

/// Converts a tag from the file's format to the API's: the change number is a string, platform and region number are absent.
fn discovered(tag: &Value) -> Value {
    let properties = &tag["properties"];
    json!({
        "name": tag["name"],
        "id": tag["name"],
        "properties": {
            "changeNumber": properties["changeNumber"].to_string(),
            "region": properties["region"],
            "systemService": properties["systemService"],
            "addressPrefixes": properties["addressPrefixes"],
        },
    })
}
