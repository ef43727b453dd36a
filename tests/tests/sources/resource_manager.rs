//! Azure Resource Manager, with each kind of credential.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{
    azure::{Azure, CLIENT, Fault, Service, TENANT},
    fixtures::replicas::Replica,
};

use crate::fixture::{Fixture, azure, by_resource, principal, with_secret};

/// The poll interval of these tests with its jitter, a tenth, and time for a busy machine.
const ONE_POLL: Duration = Duration::from_millis(2200 + 800);

/// A kind of credential.
struct Kind {
    name: &'static str,
    /// Lines of `[azure]`.
    lines: String,
    /// The daemon's environment variables.
    variables: Vec<(&'static str, String)>,
    /// The service that issues the token.
    service: Service,
}

impl Kind {
    fn new(name: &'static str, service: Service, lines: impl Into<String>) -> Self {
        Self {
            name,
            lines: lines.into(),
            variables: Vec::new(),
            service,
        }
    }

    /// Returns all kinds, then those that `auto` finds, in its order.
    fn all(azure: &Azure) -> Vec<Self> {
        let files = azure.principal();
        let [federated, certificate] =
            [&files.federated_file, &files.certificate_file].map(|path| path.display().to_string());
        let of_workload = format!(
            "credential = \"workload-identity\"\ntenant-id = {TENANT:?}\nclient-id = {CLIENT:?}\nfederated-token-file = {federated:?}"
        );
        let of_certificate = principal(&format!("client-certificate-file = {certificate:?}"));
        let of_machine = "credential = \"managed-identity\"";
        let mut kinds = vec![
            Self::new("managed identity", Service::Imds, of_machine),
            Self::new("Azure Arc", Service::Arc, "credential = \"arc\""),
            Self::new("workload identity", Service::Entra, of_workload),
            Self::new("secret", Service::Entra, with_secret(azure)),
            Self::new("certificate", Service::Entra, of_certificate),
            Self::new("auto, on a virtual machine", Service::Imds, ""),
            Self::new("auto, with Azure Arc", Service::Arc, ""),
            Self::new("auto, with a workload's variables", Service::Entra, ""),
        ];
        if let Some(last) = kinds.last_mut() {
            last.variables = vec![
                ("AZURE_TENANT_ID", TENANT.to_owned()),
                ("AZURE_CLIENT_ID", CLIENT.to_owned()),
                ("AZURE_FEDERATED_TOKEN_FILE", federated),
            ];
        }
        kinds
    }
}

#[test]
fn a_replica_in_resource_manager_is_allowed_within_one_poll_with_each_kind_of_credential()
-> Result<()> {
    let mut fixture = Fixture::prepare()?;
    let mut hosts = vec!["contoso.eastus.data.azurecr.io".to_owned()];
    for (number, kind) in (0..).zip(Kind::all(&fixture.azure)) {
        fixture.azure.recover(kind.service);
        let took = found_by(&mut fixture, &kind, &Replica::number(number), &mut hosts)?;
        eprintln!("{}: allowed after {took:.2?}", kind.name);
        assert!(took < ONE_POLL, "{}: {took:?}", kind.name);
        if kind.service != Service::Entra {
            fixture.azure.fail(kind.service, Fault::Refused);
        }
    }
    Ok(())
}

/// Returns the time from the addition of a replica to Resource Manager until it is allowed.
fn found_by(
    fixture: &mut Fixture,
    kind: &Kind,
    replica: &Replica,
    hosts: &mut Vec<String>,
) -> Result<Duration> {
    let requests_before = fixture.azure.count(kind.service);
    fixture.configure(&by_resource(), "", &azure(&kind.lines))?;
    let variables = kind.variables.iter();
    let variables: Vec<(&str, &str)> = variables
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    fixture.run_with(&["-vv"], &variables)?;
    fixture.await_name(&hosts[hosts.len() - 1])?;
    fixture.await_sources_recovered()?;
    replica.appear(&fixture.lab)?;
    hosts.push(replica.host.clone());
    let took = fixture.allowed_after(replica.addresses[0], || {
        fixture.azure.set_data_endpoints(hosts);
        Ok(())
    })?;
    fixture.pulls_from(replica)?;
    ensure!(
        fixture.azure.count(kind.service) > requests_before,
        "{} was not used",
        kind.name
    );
    fixture.check_no_secret_leaks()?;
    fixture.end()?;
    Ok(took)
}
