//! The keys of a `[[registry]]` section.

use crate::config::manual::Default::{Is, Means, Required};
use crate::config::manual::{Key, Section};

pub(in crate::config::manual) const REGISTRY: Section = Section {
    name: "registry",
    about: "One for each registry that stays reachable, on TCP port 443.",
    keys: &[
        Key(
            "login-server",
            "host name",
            Required,
            "\"contoso.azurecr.io\"",
            "Where docker login goes. A custom domain, registry.contoso.com say, needs the key registry.",
        ),
        Key(
            "registry",
            "name of a registry",
            Means("what login-server says"),
            "\"contoso\"",
            "The registry that a custom domain in login-server is a CNAME of: what stands before azurecr.io in its own login server. Both names are open, and answers for both must lead into the registry tag.",
        ),
        Key(
            "regions",
            "list of regions, or \"discover\"",
            Means("none"),
            "[\"eastus\", \"westus\"]",
            "The regions of its replicas: each opens the data endpoint of that region, contoso.eastus.data.azurecr.io say. With \"discover\", those of all known regions that DNS has an address for, in the region's own prefixes.",
        ),
        Key(
            "data-endpoints",
            "list of host names",
            Is("[]"),
            "[\"contoso.westeurope.geo.azurecr.io\"]",
            "Names of data or regional endpoints of this registry. `*` as the whole second label stands for any region, \"contoso.*.data.azurecr.io\" say: its addresses open as programs on this host resolve such a name.",
        ),
        Key(
            "endpoints-file",
            "file",
            Means("none"),
            "\"contoso.json\"",
            "What az acr show-endpoints printed to standard output, in UTF-8 or UTF-16. It is read again whenever it changes.",
        ),
        Key(
            "resource-id",
            "resource id",
            Means("none"),
            "\"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/plant/providers/Microsoft.ContainerRegistry/registries/contoso\"",
            "Its resource: Azure Resource Manager is asked for its endpoints, with the identity of [azure], which needs the right Microsoft.ContainerRegistry/registries/read.",
        ),
        Key(
            "private-endpoints",
            "list of prefixes",
            Is("[]"),
            "[\"10.1.0.0/24\"]",
            "Where Private Link puts the endpoints of this registry.",
        ),
        Key(
            "sni",
            "\"required\" or \"off\"",
            Is("\"required\""),
            "\"off\"",
            "Whether a connection to one of its addresses must name it in the TLS handshake. With \"off\", whoever else has the address can be reached through it, and DNS answers to programs open nothing for its names: only the daemon's own do. `status` shows that as a weakness.",
        ),
    ],
};
