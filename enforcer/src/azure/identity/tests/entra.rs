use super::*;

const FORM: &str = "POST /01234567-89ab-cdef-0123-456789abcdef/oauth2/v2.0/token";

#[tokio::test]
async fn a_service_principal_has_a_secret_or_a_certificate() {
    let place = tempfile::tempdir().unwrap();
    let server = entra(response(
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
    one.token(&server.client(), &pinned()).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let with_certificate = config::Azure {
        client_certificate_file: Some(secret(other.path(), PRINCIPAL)),
        ..principal()
    };
    let two = credential(&with_certificate, nowhere(), server.port);
    two.token(&server.client(), &pinned()).await.unwrap();
    let received = server.received();
    let common = "client_id=client&grant_type=client_credentials&scope=https%3A%2F%2Fmanagement.azure.com%2F.default";
    assert_eq!(received[0].line, FORM);
    assert_eq!(
        received[0].header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        received[0].body,
        format!("{common}&client_secret=s%26cret%3D")
    );
    let signed = format!(
        "{common}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=eyJ"
    );
    assert!(
        received[1].body.starts_with(&signed),
        "{}",
        received[1].body
    );
}

#[tokio::test]
async fn a_federated_token_is_read_each_time_and_sent_to_the_clouds_host_only() {
    let place = tempfile::tempdir().unwrap();
    // Too short a lifetime to be cached.
    let server = entra(response(
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
        one.token(&server.client(), &pinned()).await.unwrap();
    }
    let bodies: Vec<String> = server
        .received()
        .into_iter()
        .map(|request| request.body)
        .collect();
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
    for (environment, why) in [
        (elsewhere, "AZURE_AUTHORITY_HOST"),
        (tenant, "not a tenant"),
    ] {
        let one = credential(&federated, environment, server.port);
        let error = one
            .token(&server.client(), &pinned())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn entra_needs_an_address_and_errors_do_not_show_the_secret() {
    let place = tempfile::tempdir().unwrap();
    let text = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret s3cret"}"#;
    let server = entra(response(401, &[], text)).await;
    let azure = config::Azure {
        client_secret_file: Some(secret(place.path(), "s3cret")),
        ..principal()
    };
    let one = credential(&azure, nowhere(), server.port);
    let error = one
        .token(&server.client(), &PinnedAddresses::new())
        .await
        .unwrap_err();
    assert_eq!(error.not_resolved().map(Name::as_str), Some(LOGIN));
    let error = one.token(&server.client(), &pinned()).await.unwrap_err();
    let shown = format!("{error} {error:?} {one:?}");
    assert!(shown.contains("answers 401 (AADSTS7000215)"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
