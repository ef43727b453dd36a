use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::https::test_server::{Answer, Asked, HERE, TestServer, answer};

/// A certificate and its RSA key, made for these tests.
pub(super) const PRINCIPAL: &str = include_str!("test_principal.pem");

const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const GRANTED: &str = r#"{"access_token":"t0ken","expires_in":"3599","expires_on":"1506484173","token_type":"Bearer"}"#;
const LOGIN: &str = "login.microsoftonline.com";
const FORM: &str = "POST /01234567-89ab-cdef-0123-456789abcdef/oauth2/v2.0/token";

fn azure(credential: CredentialKind) -> config::Azure {
    config::Azure {
        credential,
        ..config::Azure::default()
    }
}

/// A host with none of the identities: nothing listens where they are looked for.
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

fn reach() -> Reach {
    Reach::from([(LOGIN.parse().unwrap(), HERE.to_vec())])
}

async fn entra(reply: Answer) -> TestServer {
    TestServer::tls(&[LOGIN], move |_| reply.clone()).await
}

/// A file with a secret, as the administrator leaves it.
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
async fn a_virtual_machine_asks_its_metadata_service_once_for_many_questions() {
    let server = TestServer::plain(|_| answer(200, &[], GRANTED)).await;
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
            .token(&Client::new(), &Reach::new())
            .await
            .unwrap();
        assert_eq!(token.header().to_str().unwrap(), "Bearer t0ken");
    }
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        asked[0].line,
        format!(
            "GET /metadata/identity/oauth2/token?api-version=2018-02-01\
             &resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id={GUID}"
        )
    );
    assert_eq!(asked[0].header("metadata"), Some("true"));
    credential.forget_token();
    credential
        .token(&Client::new(), &Reach::new())
        .await
        .unwrap();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_refusal_tells_its_code_and_the_mend_and_nothing_else() {
    let text = r#"{"error":"invalid_request","error_description":"Identity not found x7"}"#;
    let server = TestServer::plain(|_| answer(400, &[("Retry-After", "7")], text)).await;
    let environment = Environment {
        instance_metadata: format!("http://127.0.0.1:{}", server.port),
        ..nowhere()
    };
    let credential = credential(&azure(CredentialKind::ManagedIdentity), environment, 1);
    let error = credential
        .token(&Client::new(), &Reach::new())
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
async fn what_is_no_token_is_an_error_that_quotes_nothing() {
    for body in [
        "",
        "{",
        "[]",
        r#"{"access_token":7}"#,
        r#"{"token":"x7"}"#,
        r#"{"access_token":"x7\n"}"#,
    ] {
        let server = TestServer::plain(move |_| answer(200, &[], body)).await;
        let environment = Environment {
            instance_metadata: format!("http://127.0.0.1:{}", server.port),
            ..nowhere()
        };
        let credential = credential(&azure(CredentialKind::ManagedIdentity), environment, 1);
        let error = credential
            .token(&Client::new(), &Reach::new())
            .await
            .unwrap_err();
        let error = format!("{error} {error:?}");
        assert!(
            error.contains("token") && !error.contains("x7"),
            "{body}: {error}"
        );
    }
}

/// The agent of Azure Arc, whose challenge names `realm`.
fn agent(realm: String) -> impl Fn(&Asked) -> Answer + Send + Sync {
    move |asked| {
        if asked.header("metadata") != Some("true") {
            return answer(400, &[], "");
        }
        match asked.header("authorization") {
            None => answer(
                401,
                &[("WWW-Authenticate", &format!("Basic realm={realm}"))],
                "",
            ),
            Some("Basic s3cret") => answer(200, &[], GRANTED),
            Some(_) => answer(403, &[], ""),
        }
    }
}

async fn with_agent(tokens: &Path, realm: String) -> Result<Token, CredentialError> {
    let server = TestServer::plain(agent(realm)).await;
    let base = format!("http://localhost:{}", server.port);
    let environment = Environment {
        identity_endpoint: Some(format!("{base}/metadata/identity/oauth2/token")),
        imds_endpoint: Some(base),
        arc_tokens: tokens.to_owned(),
        ..nowhere()
    };
    let credential = credential(&azure(CredentialKind::Arc), environment, 1);
    let result = credential.token(&Client::new(), &Reach::new()).await;
    let line = "GET /metadata/identity/oauth2/token?api-version=2019-11-01&resource=https%3A%2F%2Fmanagement.azure.com";
    assert!(server.asked().iter().all(|asked| asked.line == line));
    assert_eq!(server.asked().len(), 1 + usize::from(result.is_ok()));
    result
}

#[tokio::test]
async fn the_agent_of_arc_is_shown_its_own_secret_file_and_no_other() {
    let place = tempfile::tempdir().unwrap();
    let tokens = place.path().join("tokens");
    fs::create_dir_all(tokens.join("deeper")).unwrap();
    for file in [
        "good.key",
        "secret.txt",
        "deeper/x.key",
        ".key",
        "../outside.key",
    ] {
        fs::write(tokens.join(file), "s3cret").unwrap();
    }
    let at = |name: &str| tokens.join(name).display().to_string();
    assert!(with_agent(&tokens, at("good.key")).await.is_ok());
    assert!(
        with_agent(&tokens, format!("\"{}\"", at("good.key")))
            .await
            .is_ok()
    );
    for realm in [
        at("secret.txt"),
        at("deeper/x.key"),
        at(".key"),
        at("../outside.key"),
        at("../tokens/good.key"),
        at("./good.key"),
        at("/good.key"),
        at("good.key/"),
        place.path().join("outside.key").display().to_string(),
        "good.key".to_owned(),
        String::new(),
    ] {
        let error = with_agent(&tokens, realm.clone())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("is not opened"), "{realm}: {error}");
    }
    let error = with_agent(&tokens, at("none.key"))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("none.key: cannot be read"), "{error}");
}

#[tokio::test]
async fn a_secret_or_a_certificate_makes_a_service_principal() {
    let place = tempfile::tempdir().unwrap();
    let server = entra(answer(
        200,
        &[],
        r#"{"access_token":"t0ken","expires_in":3599}"#,
    ))
    .await;
    let secret_file = Some(secret(place.path(), "s&cret=\n"));
    let with_secret = config::Azure {
        client_secret_file: secret_file,
        ..principal()
    };
    let one = credential(&with_secret, nowhere(), server.port);
    assert!(one.needs_login_host());
    one.token(&server.client(), &reach()).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let with_certificate = config::Azure {
        client_certificate_file: Some(secret(other.path(), PRINCIPAL)),
        ..principal()
    };
    let two = credential(&with_certificate, nowhere(), server.port);
    two.token(&server.client(), &reach()).await.unwrap();
    let asked = server.asked();
    let common = "client_id=client&grant_type=client_credentials&scope=https%3A%2F%2Fmanagement.azure.com%2F.default";
    assert_eq!(asked[0].line, FORM);
    assert_eq!(
        asked[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(asked[0].body, format!("{common}&client_secret=s%26cret%3D"));
    let signed = format!(
        "{common}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=eyJ"
    );
    assert!(asked[1].body.starts_with(&signed), "{}", asked[1].body);
}

#[tokio::test]
async fn a_federated_token_is_read_anew_and_goes_to_the_clouds_own_host_only() {
    let place = tempfile::tempdir().unwrap();
    // Too short a life to be kept.
    let server = entra(answer(
        200,
        &[],
        r#"{"access_token":"t0ken","expires_in":60}"#,
    ))
    .await;
    let file = place.path().join("token");
    let environment = Environment {
        tenant_id: Some(GUID.to_owned()),
        client_id: Some("client".to_owned()),
        federated_token_file: Some(file.clone()),
        authority_host: Some(format!("https://{LOGIN}/")),
        ..nowhere()
    };
    let federated = azure(CredentialKind::WorkloadIdentity);
    let one = credential(&federated, environment.clone(), server.port);
    for text in ["first", "second"] {
        fs::write(&file, text).unwrap();
        one.token(&server.client(), &reach()).await.unwrap();
    }
    let bodies: Vec<String> = server.asked().into_iter().map(|asked| asked.body).collect();
    assert!(bodies[0].ends_with("client_assertion=first"), "{bodies:?}");
    assert!(bodies[1].ends_with("client_assertion=second"), "{bodies:?}");
    let elsewhere = Environment {
        authority_host: Some("https://login.evil.example/".to_owned()),
        ..environment.clone()
    };
    let tenant = Environment {
        tenant_id: Some("x/../y".to_owned()),
        ..environment
    };
    for (environment, why) in [(elsewhere, "AZURE_AUTHORITY_HOST"), (tenant, "no tenant")] {
        let one = credential(&federated, environment, server.port);
        let error = one
            .token(&server.client(), &reach())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn entra_needs_an_address_and_its_refusals_keep_the_secret() {
    let place = tempfile::tempdir().unwrap();
    let text = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret s3cret"}"#;
    let server = entra(answer(401, &[], text)).await;
    let azure = config::Azure {
        client_secret_file: Some(secret(place.path(), "s3cret")),
        ..principal()
    };
    let one = credential(&azure, nowhere(), server.port);
    let error = one
        .token(&server.client(), &Reach::new())
        .await
        .unwrap_err();
    assert_eq!(error.not_resolved().map(Name::as_str), Some(LOGIN));
    let error = one.token(&server.client(), &reach()).await.unwrap_err();
    let shown = format!("{error} {error:?} {one:?}");
    assert!(shown.contains("answers 401 (AADSTS7000215)"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[tokio::test]
async fn auto_takes_the_first_that_works_and_tells_why_none_did() {
    let none = credential(&azure(CredentialKind::Auto), nowhere(), 1);
    let error = none
        .token(&Client::new(), &Reach::new())
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
    let server = entra(answer(
        200,
        &[],
        r#"{"access_token":"t0ken","expires_in":60}"#,
    ))
    .await;
    let machine = TestServer::plain(|_| answer(404, &[], "")).await;
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
        auto.token(&server.client(), &reach()).await.unwrap();
    }
    assert_eq!(auto.chosen(), Some(CredentialKind::ServicePrincipal));
    assert_eq!((machine.asked().len(), server.asked().len()), (1, 3));
}

#[tokio::test]
async fn auto_waits_but_briefly_for_a_metadata_service_that_is_silent() {
    let machine = TestServer::plain(|_| Answer::Silence).await;
    let environment = Environment {
        instance_metadata: format!("http://127.0.0.1:{}", machine.port),
        ..nowhere()
    };
    let auto = credential(&azure(CredentialKind::Auto), environment, 1);
    let error = auto
        .token(&Client::new(), &Reach::new())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("no whole answer within 1.5s"), "{error}");
}
