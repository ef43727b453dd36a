use super::*;

/// The Azure Arc agent, whose challenge names `realm`.
fn agent(realm: String) -> impl Fn(&ReceivedRequest) -> ScriptedResponse + Send + Sync {
    move |request| {
        if request.header("metadata") != Some("true") {
            return response(400, &[], "");
        }
        match request.header("authorization") {
            None => response(
                401,
                &[("WWW-Authenticate", &format!("Basic realm={realm}"))],
                "",
            ),
            Some("Basic s3cret") => response(200, &[], GRANTED),
            Some(_) => response(403, &[], ""),
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
    let result = credential
        .token(&Client::new(), &PinnedAddresses::new())
        .await;
    let line = "GET /metadata/identity/oauth2/token?api-version=2019-11-01&resource=https%3A%2F%2Fmanagement.azure.com";
    assert!(server.received().iter().all(|request| request.line == line));
    assert_eq!(server.received().len(), 1 + usize::from(result.is_ok()));
    result
}

#[tokio::test]
async fn the_arc_agent_gets_the_content_of_its_own_secret_file_only() {
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
