//! The clients at a scripted server.

mod registry;
mod service_tags;
mod tags_file;

use std::time::{Duration, SystemTime};

use super::*;
use crate::azure::PinnedAddresses;
use crate::azure::endpoints::Endpoint;
use crate::azure::identity::Environment;
use crate::config::{self, Cloud, Config, Registry, ResourceId};
use crate::https::test_server::{HERE, ReceivedRequest, ScriptedResponse, TestServer, response};
use crate::https::{Client, Request};
use crate::name::Name;

const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const MANAGER: &str = "management.azure.com";

/// Resource Manager, which requires the token, and the metadata service, which issues it.
struct Fixture {
    manager: TestServer,
    machine: TestServer,
    azure: AzureClient,
}

impl Fixture {
    async fn new(
        script: impl Fn(&ReceivedRequest) -> ScriptedResponse + Send + Sync + 'static,
    ) -> Self {
        let manager = TestServer::tls(&[MANAGER], move |request| {
            match request.header("authorization") {
                Some("Bearer t0ken") => script(request),
                _ => response(401, &[], ""),
            }
        })
        .await;
        let machine = TestServer::plain(|_| {
            response(200, &[], r#"{"access_token":"t0ken","expires_in":"3599"}"#)
        })
        .await;
        let environment = Environment {
            instance_metadata: format!("http://127.0.0.1:{}", machine.port),
            ..Environment::default()
        };
        let settings = config::Azure {
            credential: config::CredentialKind::ManagedIdentity,
            ..config::Azure::default()
        };
        let azure = AzureClient::on(manager.client(), manager.port, &settings, environment);
        Self {
            manager,
            machine,
            azure,
        }
    }
}

fn pinned() -> PinnedAddresses {
    PinnedAddresses::from([(MANAGER.parse().unwrap(), HERE.to_vec())])
}

fn id() -> ResourceId {
    ResourceId {
        subscription: GUID.to_owned(),
        resource_group: "rg".to_owned(),
        name: "contoso".to_owned(),
    }
}

fn contoso() -> Registry {
    Registry {
        custom_domain: None,
        login_server: "contoso.azurecr.io".parse().unwrap(),
        regions: Vec::new(),
        discover: false,
        resource_id: Some(id()),
        data_endpoints: Vec::new(),
        endpoints_file: None,
        private_endpoints: Vec::new(),
        patterns: Vec::new(),
        sni: crate::config::Sni::Required,
    }
}

#[test]
fn only_hosts_that_the_configuration_requires_are_returned() {
    let mut config = Config::for_registries(&["contoso.azurecr.io".parse().unwrap()], &[]).unwrap();
    let mut settings = config::Azure::default();
    let hosts = |settings: &config::Azure, config: &Config| {
        let azure = AzureClient::on(Client::new(), 1, settings, Environment::default());
        let hosts = azure.hosts(config).into_iter();
        hosts.map(String::from).collect::<Vec<_>>()
    };
    assert!(hosts(&settings, &config).is_empty());
    config.registries[0].resource_id = Some(id());
    assert_eq!(hosts(&settings, &config), [MANAGER]);
    settings.client_secret_file = Some("/secret".into());
    assert_eq!(
        hosts(&settings, &config),
        ["login.microsoftonline.com", MANAGER]
    );
    settings.credential = config::CredentialKind::Arc;
    assert_eq!(hosts(&settings, &config), [MANAGER]);
    config.registries.clear();
    assert!(hosts(&settings, &config).is_empty());
    config.protect.service_tags_subscription = Some(GUID.to_owned());
    assert_eq!(hosts(&settings, &config), [MANAGER]);
}

#[tokio::test]
async fn a_fetch_that_hangs_ends_with_an_error() {
    let target = FetchTarget::ServiceTags(GUID.to_owned());
    let never = std::future::pending::<Result<(), FetchError>>();
    let error = client::in_time(&target, Duration::ZERO, never)
        .await
        .unwrap_err();
    assert!(matches!(error.problem(), FetchProblem::Late(_)), "{error}");
    assert!(
        error
            .to_string()
            .starts_with("service tags of subscription")
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_token_ends_before_the_poll_counts_as_lost() {
    let fixture = Fixture::new(|_| response(200, &[], "")).await;
    let _others_ask = fixture.azure.credential().asking_held().await;
    let error = fixture.azure.registry(&contoso(), &id(), &pinned()).await;
    let error = error.unwrap_err();
    assert!(
        matches!(error.problem(), FetchProblem::Late(client::WHOLE_TIME)),
        "{error}"
    );
    let error = fixture
        .azure
        .service_tags(GUID, &["Storage".to_owned()], &pinned())
        .await
        .unwrap_err();
    assert!(
        matches!(error.problem(), FetchProblem::Late(client::WHOLE_TIME)),
        "{error}"
    );
}

#[tokio::test]
async fn retry_after_is_seconds_or_a_date() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_700);
    for (text, expected) in [
        ("120", Some(120)),
        ("0", Some(0)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(77)),
        ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
        ("soon", None),
        ("-5", None),
    ] {
        let server = TestServer::plain(move |_| response(429, &[("Retry-After", text)], "")).await;
        let url = format!("http://127.0.0.1:{}/", server.port)
            .parse()
            .unwrap();
        let response = Client::new().send(Request::get(url), &[]).await.unwrap();
        assert_eq!(
            response.retry_after(now),
            expected.map(Duration::from_secs),
            "{text}"
        );
    }
}
