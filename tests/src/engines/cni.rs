//! A container's network by plugins of the Container Network Interface, called as an engine calls them.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::namespaces::Namespaces;
use crate::{
    clients::LIMIT,
    fixtures::process::{run, run_with_input},
};

const VERSION: &str = "0.4.0";
const SUBNET: &str = "10.85.0.0/24";

/// Creates the network namespace `name` with a device on a bridge, publishes its port `inner` as `outer` of the host, and returns its path.
pub(super) fn add(namespaces: &Namespaces, name: &str, [outer, inner]: [u16; 2]) -> Result<String> {
    let mut ip = namespaces.command("ip");
    ip.args(["netns", "add", name]);
    run(ip, LIMIT)?.success()?;
    let network = json!({
        "cniVersion": VERSION, "name": "lab", "type": "bridge",
        "bridge": "cni0", "isGateway": true, "ipMasq": true,
        "ipam": {
            "type": "host-local", "dataDir": namespaces.dir().join("addresses"),
            "ranges": [[{ "subnet": SUBNET }]], "routes": [{ "dst": "0.0.0.0/0" }],
        },
    });
    let result = call(namespaces, name, &network)?;
    let ports = json!({
        "cniVersion": VERSION, "name": "lab", "type": "portmap", "prevResult": result,
        "runtimeConfig": { "portMappings": [
            { "hostPort": outer, "containerPort": inner, "protocol": "tcp" },
        ] },
    });
    call(namespaces, name, &ports)?;
    Ok(path(name))
}

fn path(name: &str) -> String {
    format!("/run/netns/{name}")
}

/// Calls the plugin that `network` names, and returns its result.
fn call(namespaces: &Namespaces, name: &str, network: &Value) -> Result<Value> {
    let plugin = network["type"].as_str().context("a network has a type")?;
    let plugins = namespaces.debian("usr/lib/cni");
    let mut command = namespaces.command(&plugins.join(plugin).to_string_lossy());
    command
        .env("CNI_COMMAND", "ADD")
        .env("CNI_CONTAINERID", name)
        .env("CNI_NETNS", path(name))
        .env("CNI_IFNAME", "eth0")
        .env("CNI_PATH", &plugins);
    let result = run_with_input(command, &network.to_string(), LIMIT)?
        .success()
        .with_context(|| format!("the plugin {plugin}"))?;
    serde_json::from_str(&result).with_context(|| format!("the result of {plugin}: {result}"))
}
