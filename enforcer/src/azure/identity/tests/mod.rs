mod arc;
mod entra;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::https::test_server::{HERE, ReceivedRequest, ScriptedResponse, TestServer, response};
use crate::name::Name;

/// A certificate and its RSA key for these tests.
pub(super) const PRINCIPAL: &str = include_str!("../test_principal.pem");

const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const GRANTED: &str = r#"{"access_token":"t0ken","expires_in":"3599","expires_on":"1506484173","token_type":"Bearer"}"#;
const LOGIN: &str = "login.microsoftonline.com";

fn azure(credential: CredentialKind) -> config::Azure {
    config::Azure {
        credential,
        ..config::Azure::default()
    }
}

/// A host without identities: no server listens at their addresses.
fn nowhere() -> Environment {
    Environment {
        arc_tokens: PathBuf::from("/nonexistent/tokens"),
        instance_metadata: "http://127.0.0.1:1".to_owned(),
        ..Environment::default()
    }
}

fn credential(azure: &config::Azure, environment: Environment, login_port: u16) -> Credential {
    let login = format!("https://{LOGIN}:{login_port}/").parse().unwrap();
    Credential::at(azure, Cloud::Public, environment, login)
}

fn pinned() -> PinnedAddresses {
    PinnedAddresses::from([(LOGIN.parse().unwrap(), HERE.to_vec())])
}

async fn entra(reply: ScriptedResponse) -> TestServer {
    TestServer::tls(&[LOGIN], move |_| reply.clone()).await
}

/// A file with a secret, with the permissions that are required.
fn secret(directory: &Path, content: &str) -> PathBuf {
    let file = directory.join("secret");
    fs::write(&file, content).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    file
}

fn principal() -> config::Azure {
    config::Azure {
        tenant_id: Some(GUID.to_owned()),
        client_id: Some("client".to_owned()),
        ..azure(CredentialKind::ServicePrincipal)
    }
}

#[tokio::test]
async fn a_virtual_machine_requests_one_token_for_many_fetches() {
    let server = TestServer::plain(|_| response(200, &[], GRANTED)).await;
    let environment = Environment {
        instance_metadata: format!("http://127.0.0.1:{}", server.port),
        ..nowhere()
    };
    let azure = config::Azure {
        client_id: Some(GUID.to_owned()),
        ..azure(CredentialKind::ManagedIdentity)
    };
    let credential = credential(&azure, environment, 1);
    assert!(!credential.needs_login_host());
    for _ in 0..3 {
        let token = credential
            .token(&Client::new(), &PinnedAddresses::new())
            .await
            .unwrap();
        assert_eq!(token.header().to_str().unwrap(), "Bearer t0ken");
    }
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert_eq!(
        received[0].line,
        format!(
            "GET /metadata/identity/oauth2/token?api-version=2018-02-01\
             &resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id={GUID}"
        )
    );
    assert_eq!(received[0].header("metadata"), Some("true"));
    credential.forget_token();
    credential
        .token(&Client::new(), &PinnedAddresses::new())
        .await
        .unwrap();
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn concurrent_fetches_request_one_token() {
    let server = TestServer::plain(|_| response(200, &[], GRANTED)).await;
    let environment = Environment {
        instance_metadata: format!("http://127.0.0.1:{}", server.port),
        ..nowhere()
    };
    let credential = credential(&azure(CredentialKind::ManagedIdentity), environment, 1);
    let (client, pinned) = (Client::new(), PinnedAddresses::new());
    let ask = || credential.token(&client, &pinned);
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_refusal_shows_its_code_and_the_fix_only() {
    let text = r#"{"error":"invalid_request","error_description":"Identity not found x7"}"#;
    let server = TestServer::plain(|_| response(400, &[("Retry-After", "7")], text)).await;
    let environment = Environment {
        instance_metadata: format!("http://127.0.0.1:{}", server.port),
        ..nowhere()
    };
    let credential = credential(&azure(CredentialKind::ManagedIdentity), environment, 1);
    let error = credential
        .token(&Client::new(), &PinnedAddresses::new())
        .await
        .unwrap_err();
    assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(7)));
    let error = error.to_string();
    assert!(
        error.contains("answers 400 (invalid_request); give the virtual machine"),
        "{error}"
    );
    assert!(!error.contains("x7"), "{error}");
}

#[tokio::test]
async fn an_answer_without_a_token_is_an_error_without_quotes() {
    for body in [
        "",
        "{",
        "[]",
        r#"{"access_token":7}"#,
        r#"{"token":"x7"}"#,
        r#"{"access_token":"x7\n"}"#,
    ] {
        let server = TestServer::plain(move |_| response(200, &[], body)).await;
        let environment = Environment {
            instance_metadata: format!("http://127.0.0.1:{}", server.port),
            ..nowhere()
        };
        let credential = credential(&azure(CredentialKind::ManagedIdentity), environment, 1);
        let error = credential
            .token(&Client::new(), &PinnedAddresses::new())
            .await
            .unwrap_err();
        let error = format!("{error} {error:?}");
        assert!(
            error.contains("token") && !error.contains("x7"),
            "{body}: {error}"
        );
    }
}

#[tokio::test]
async fn auto_uses_the_first_that_works_or_reports_why_none_did() {
    let none = credential(&azure(CredentialKind::Auto), nowhere(), 1);
    let error = none
        .token(&Client::new(), &PinnedAddresses::new())
        .await
        .unwrap_err()
        .to_string();
    let places: Vec<Option<usize>> = [
        "managed-identity: ",
        "; arc: ",
        "; workload-identity: ",
        "; service-principal: ",
    ]
    .map(|kind| error.find(kind))
    .to_vec();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{error}"
    );
    assert!(!error.contains('\n'), "{error}");

    let place = tempfile::tempdir().unwrap();
    let server = entra(response(
        200,
        &[],
        r#"{"access_token":"t0ken","expires_in":60}"#,
    ))
    .await;
    let machine = TestServer::plain(|_| response(404, &[], "")).await;
    let azure = config::Azure {
        client_secret_file: Some(secret(place.path(), "s3cret")),
        credential: CredentialKind::Auto,
        ..principal()
    };
    let environment = Environment {
        instance_metadata: format!("http://127.0.0.1:{}", machine.port),
        ..nowhere()
    };
    let auto = credential(&azure, environment, server.port);
    for _ in 0..3 {
        auto.token(&server.client(), &pinned()).await.unwrap();
    }
    assert_eq!(auto.chosen(), Some(CredentialKind::ServicePrincipal));
    assert_eq!((machine.received().len(), server.received().len()), (1, 3));
}

#[tokio::test]
async fn auto_waits_only_briefly_for_a_silent_metadata_service() {
    let machine = TestServer::plain(|_| ScriptedResponse::Silence).await;
    let environment = Environment {
        instance_metadata: format!("http://127.0.0.1:{}", machine.port),
        ..nowhere()
    };
    let auto = credential(&azure(CredentialKind::Auto), environment, 1);
    let error = auto
        .token(&Client::new(), &PinnedAddresses::new())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("no complete answer within 1.5s"), "{error}");
}
