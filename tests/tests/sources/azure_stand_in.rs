//! The stand-in for Azure itself: it accepts and refuses the same requests as Azure.

use std::time::Duration;

use anyhow::{Context, Result};
use lab::{
    Lab,
    azure::{
        Azure, CLIENT, Fault, LOGIN_HOST, MANAGER_HOST, MIRROR_HOST, Service, TENANT, resource_id,
    },
    fixtures::process::run,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(20);

/// Makes a request with curl on the device; returns status, headers and body.
fn get(lab: &Lab, url: &str, arguments: &[&str]) -> Result<(u16, String, String)> {
    let mut curl = lab.device().command("curl");
    curl.args([
        "--disable",
        "--silent",
        "--show-error",
        "--include",
        "--noproxy",
        "*",
    ])
    .arg("--cacert")
    .arg(lab.certificates().ca())
    .args(arguments)
    .arg(url);
    let output = run(curl, LIMIT)?.success()?;
    let (head, body) = output.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, head.to_owned(), body.to_owned()))
}

fn entra(lab: &Lab, proof: &str) -> Result<(u16, Value)> {
    let form = format!(
        "grant_type=client_credentials&client_id={CLIENT}&scope=https%3A%2F%2Fmanagement.azure.com%2F.default&{proof}"
    );
    let url = format!("https://{LOGIN_HOST}/{TENANT}/oauth2/v2.0/token");
    let (status, _head, body) = get(lab, &url, &["--data", &form])?;
    Ok((status, serde_json::from_str(&body)?))
}

fn manager(lab: &Lab, token: &Value) -> Result<(u16, Value)> {
    let url = format!(
        "https://{MANAGER_HOST}{}?api-version=2025-11-01",
        resource_id("contoso")
    );
    let bearer = format!(
        "Authorization: Bearer {}",
        token.as_str().context("no token")?
    );
    let (status, _head, body) = get(lab, &url, &["-H", &bearer])?;
    Ok((status, serde_json::from_str(&body)?))
}

#[test]
fn the_stand_in_for_azure_accepts_and_refuses_like_azure() -> Result<()> {
    let lab = Lab::start()?;
    let azure = Azure::start(&lab)?;
    let secret = std::fs::read_to_string(&azure.principal().secret_file)?;
    let (status, granted) = entra(&lab, &format!("client_secret={}", secret.trim()))?;
    assert_eq!((status, &granted["token_type"]), (200, &json!("Bearer")));
    let (status, registry) = manager(&lab, &granted["access_token"])?;
    let hosts = &registry["properties"]["dataEndpointHostNames"];
    assert_eq!(
        (status, hosts),
        (200, &json!(["contoso.eastus.data.azurecr.io"]))
    );

    let (status, refused) = entra(&lab, "client_secret=guessed")?;
    assert_eq!((status, &refused["error"]), (401, &json!("invalid_client")));
    let (status, refused) = manager(&lab, &json!("eyJ.guessed.token"))?;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (401, &json!("InvalidAuthenticationToken"))
    );
    azure.revoke_tokens();
    assert_eq!(manager(&lab, &granted["access_token"])?.0, 401);

    azure.fail(Service::Entra, Fault::Refused);
    let output = entra(&lab, "client_secret=x")
        .err()
        .context("not refused")?;
    assert!(format!("{output:#}").contains("connect"), "{output:#}");
    azure.fail(Service::Entra, Fault::Truncated);
    assert!(entra(&lab, "client_secret=x").is_err());
    azure.fail(Service::Entra, Fault::Throttled(7));
    assert_eq!(entra(&lab, "client_secret=x")?.0, 429);
    assert_eq!(
        azure.requests().last().map(|request| request.status),
        Some(429)
    );
    Ok(())
}

#[test]
fn the_stand_in_for_managed_identities_requires_proof() -> Result<()> {
    let lab = Lab::start()?;
    let azure = Azure::start(&lab)?;
    azure.recover(Service::Imds);
    azure.recover(Service::Arc);
    let path = "/metadata/identity/oauth2/token?resource=https%3A%2F%2Fmanagement.azure.com%2F&api-version";
    let imds = format!("http://169.254.169.254{path}=2018-02-01");
    let agent = format!("http://127.0.0.1:40342{path}=2020-06-01");
    for url in [&imds, &agent] {
        assert_eq!(get(&lab, url, &[])?.0, 400, "without Metadata: true");
    }
    let metadata = ["-H", "Metadata: true"];
    let (status, _head, body) = get(&lab, &imds, &metadata)?;
    let granted: Value = serde_json::from_str(&body)?;
    assert_eq!((status, &granted["expires_in"]), (200, &json!("3599")));
    assert_eq!(manager(&lab, &granted["access_token"])?.0, 200);
    let proxied = ["-H", "Metadata: true", "-H", "X-Forwarded-For: 10.0.0.1"];
    assert_eq!(get(&lab, &imds, &proxied)?.0, 400);

    let (status, head, _body) = get(&lab, &agent, &metadata)?;
    let realm = "WWW-Authenticate: Basic realm=/var/opt/azcmagent/tokens/";
    assert!(status == 401 && head.contains(realm), "{status} {head}");
    let (_before, file) = head.split_once(realm).context("a realm")?;
    let file = file.lines().next().context("a file")?.trim();
    let secret = std::fs::read_to_string(azure.var_opt().join("azcmagent/tokens").join(file))?;
    let proof = format!("Authorization: Basic {secret}");
    let proven = ["-H", "Metadata: true", "-H", &proof];
    assert_eq!(get(&lab, &agent, &proven)?.0, 200);
    assert_eq!(get(&lab, &agent, &proven)?.0, 401, "a proof is valid once");
    Ok(())
}

#[test]
fn the_stand_in_for_a_mirror_answers_conditional_requests() -> Result<()> {
    let lab = Lab::start()?;
    let azure = Azure::start(&lab)?;
    azure.set_mirrored("{}");
    let url = format!("https://{MIRROR_HOST}/ServiceTags_Public.json");
    let (status, head, body) = get(&lab, &url, &[])?;
    assert_eq!((status, body.as_str()), (200, "{}"));
    let etag = head
        .lines()
        .find_map(|line| line.strip_prefix("ETag: "))
        .context("an ETag")?;
    let known = format!("If-None-Match: {etag}");
    assert_eq!(get(&lab, &url, &["-H", &known])?.0, 304);
    azure.set_mirrored("{} ");
    assert_eq!(get(&lab, &url, &["-H", &known])?.0, 200);
    Ok(())
}
