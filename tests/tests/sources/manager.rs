//! Azure Resource Manager, with each kind of credential.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{
    azure::{CLIENT, Service, TENANT},
    replicas::Replica,
};

use crate::stage::{Stage, azure, by_resource, principal, with_secret};

/// The poll interval of these tests with its jitter, a tenth, and time for a busy machine.
const ONE_POLL: Duration = Duration::from_millis(2200 + 800);

/// A kind of credential.
struct Kind<'a> {
    name: &'a str,
    /// Lines of `[azure]`.
    lines: String,
    /// Variables of the daemon's environment.
    variables: Vec<(&'a str, &'a str)>,
    /// Who gives the token.
    service: Service,
}

#[test]
fn a_replica_that_resource_manager_lists_is_open_within_one_poll_with_each_kind_of_credential()
-> Result<()> {
    let mut stage = Stage::prepare()?;
    let files = stage.azure.principal();
    let [federated, certificate] =
        [&files.federated_file, &files.certificate_file].map(|path| path.display().to_string());
    let kind = |name, lines: &str, service| Kind {
        name,
        lines: lines.to_owned(),
        variables: Vec::new(),
        service,
    };
    let of_workload = format!(
        "credential = \"workload-identity\"\ntenant-id = {TENANT:?}\nclient-id = {CLIENT:?}\nfederated-token-file = {federated:?}"
    );
    let of_certificate = principal(&format!("client-certificate-file = {certificate:?}"));
    let kinds = [
        kind(
            "managed identity",
            "credential = \"managed-identity\"",
            Service::Imds,
        ),
        kind("Azure Arc", "credential = \"arc\"", Service::Arc),
        kind("workload identity", &of_workload, Service::Entra),
        kind("secret", &with_secret(&stage.azure), Service::Entra),
        kind("certificate", &of_certificate, Service::Entra),
        kind("auto, on a virtual machine", "", Service::Imds),
        kind("auto, with Azure Arc", "", Service::Arc),
        Kind {
            variables: vec![
                ("AZURE_TENANT_ID", TENANT),
                ("AZURE_CLIENT_ID", CLIENT),
                ("AZURE_FEDERATED_TOKEN_FILE", &federated),
            ],
            ..kind("auto, with a workload's variables", "", Service::Entra)
        },
    ];
    let mut hosts = vec!["contoso.eastus.data.azurecr.io".to_owned()];
    for (number, kind) in (0..).zip(&kinds) {
        stage.azure.mend(kind.service);
        let took = found_by(&mut stage, kind, &Replica::number(number), &mut hosts)?;
        eprintln!("{}: open after {took:.0?}", kind.name);
        assert!(took < ONE_POLL, "{}: {took:?}", kind.name);
        if kind.service != Service::Entra {
            stage.azure.fail(kind.service, lab::azure::Fault::Refused);
        }
    }
    Ok(())
}

/// How long it takes until a replica that Resource Manager comes to list is open.
fn found_by(
    stage: &mut Stage,
    kind: &Kind<'_>,
    replica: &Replica,
    hosts: &mut Vec<String>,
) -> Result<Duration> {
    let asked = stage.azure.count(kind.service);
    stage.configure(&by_resource(), "", &azure(&kind.lines))?;
    stage.run_with(&kind.variables)?;
    stage.await_name(&hosts[hosts.len() - 1])?;
    stage.await_mended()?;
    replica.appear(&stage.lab)?;
    hosts.push(replica.host.clone());
    let took = stage.open_after(replica.addresses[0], || {
        stage.azure.set_data_endpoints(hosts);
        Ok(())
    })?;
    stage.pulls_from(replica)?;
    ensure!(
        stage.azure.count(kind.service) > asked,
        "{} was not used",
        kind.name
    );
    stage.secrets_are_nowhere()?;
    stage.end()?;
    Ok(took)
}
