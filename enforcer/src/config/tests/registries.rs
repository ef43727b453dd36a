use super::*;

const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

#[test]
fn regions_are_a_list_or_are_discovered() {
    let discovered = read(&registry("regions = \"discover\"")).unwrap();
    assert!(discovered.registries[0].discover && discovered.registries[0].regions.is_empty());
    let listed = read(&registry("regions = [\"eastus\"]")).unwrap();
    assert!(!listed.registries[0].discover);
    refused(
        &registry("regions = \"eastus\""),
        "3: registry.regions",
        &["regions = [\"eastus\"]", "discover"],
    );
    refused(
        &registry("regions = 3"),
        "3: registry.regions",
        &["a list of regions"],
    );
}

#[test]
fn a_resource_id_is_that_of_the_same_registry() {
    let of = |name: &str| {
        let provider = "providers/microsoft.containerregistry/registries";
        registry(&format!(
            "resource-id = \"/subscriptions/{GUID}/resourceGroups/plant-1/{provider}/{name}\""
        ))
    };
    let id = read(&of("Contoso")).unwrap().registries[0]
        .resource_id
        .clone()
        .unwrap();
    assert_eq!(
        (id.resource_group.as_str(), id.name.as_str()),
        ("plant-1", "Contoso")
    );
    assert_eq!(id.subscription, GUID);
    refused(
        &of("fabrikam"),
        "3: registry.resource-id",
        &["fabrikam", "--name contoso"],
    );
    for wrong in [
        "",
        "/subscriptions/x",
        "contoso",
        &format!("/subscriptions/{GUID}/resourceGroups/../x"),
    ] {
        refused(
            &registry(&format!("resource-id = \"{wrong}\"")),
            "3: registry.resource-id",
            &["--query id"],
        );
    }
    for escape in ["contoso/../fabrikam", "contoso?x", "contoso/replications"] {
        assert!(read(&of(escape)).is_err(), "{escape}");
    }
}

/// A `[[registry]]` with a login server and the registry behind it.
fn behind(login_server: &str, registry: &str) -> String {
    format!("[[registry]]\nlogin-server = \"{login_server}\"\nregistry = \"{registry}\"\n")
}

#[test]
fn a_custom_domain_stands_for_the_registry_behind_it() {
    let config = read(&format!(
        "{}regions = [\"eastus\"]\ndata-endpoints = [\"contoso.westus.data.azurecr.io\"]\n",
        behind("registry.contoso.com", "Contoso")
    ))
    .unwrap();
    let registry = &config.registries[0];
    assert_eq!(registry.login_server.as_str(), "contoso.azurecr.io");
    let custom_domain = registry.custom_domain.as_ref().unwrap();
    assert_eq!(custom_domain.as_str(), "registry.contoso.com");
    let names = crate::azure::endpoints::configured(registry, Cloud::Public).unwrap();
    let names: Vec<_> = names
        .iter()
        .map(|endpoint| endpoint.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "contoso.azurecr.io",
            "registry.contoso.com",
            "contoso.eastus.data.azurecr.io",
            "contoso.westus.data.azurecr.io"
        ]
    );
    let plain = read(&behind("contoso.azurecr.io", "contoso")).unwrap();
    assert_eq!(plain.registries[0].custom_domain, None);
}

#[test]
fn a_custom_domain_opens_no_other_registry_and_no_name_of_azures() {
    refused(
        "[[registry]]\nlogin-server = \"registry.contoso.com\"\n",
        "2: registry.login-server",
        &["<registry>.azurecr.io", "registry = \"<registry>\""],
    );
    for (login_server, fix) in [
        ("contoso.azurecr.io", "remove it here"),
        ("evil.blob.core.windows.net", "fabrikam.azurecr.io"),
        ("evil.z1.blob.storage.azure.net", "fabrikam.azurecr.io"),
        ("contoso.azurecr.cn", "fabrikam.azurecr.io"),
        ("contoso.eastus.data.azurecr.io", "fabrikam.azurecr.io"),
        ("azurecr.io", "fabrikam.azurecr.io"),
    ] {
        let text = behind(login_server, "fabrikam");
        refused(&text, "3: registry.registry", &[login_server, fix]);
    }
    for label in ["contoso.azurecr.io", "", "-a", "a b", "*"] {
        let text = behind("registry.contoso.com", label);
        refused(&text, "3: registry.registry", &["such as \"contoso\""]);
    }
    let other = format!(
        "{}data-endpoints = [\"evil.eastus.data.azurecr.io\"]\n",
        behind("registry.contoso.com", "contoso")
    );
    refused(&other, "4: registry.data-endpoints", &["another registry"]);
}

#[test]
fn a_registry_and_a_custom_domain_stand_in_one_section() {
    let custom = behind("registry.contoso.com", "contoso");
    for twice in [
        "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\n".to_owned(),
        behind("other.contoso.com", "contoso"),
        behind("registry.contoso.com", "fabrikam"),
    ] {
        refused(
            &format!("{custom}{twice}"),
            "5: registry.login-server",
            &["put both into one"],
        );
    }
}

#[test]
fn a_login_server_is_one_label_below_the_suffix_of_its_cloud() {
    let login = |name: &str| format!("[[registry]]\nlogin-server = \"{name}\"\n");
    refused(
        &login("contoso.example.com"),
        "2: registry.login-server",
        &["<registry>.azurecr.io"],
    );
    refused(
        &login("Contoso"),
        "2: registry.login-server",
        &["a registry's name", "write \"contoso.azurecr.io\""],
    );
    refused(
        &format!("{}[protect]\ncloud = \"china\"\n", login("contoso")),
        "2: registry.login-server",
        &["write \"contoso.azurecr.cn\""],
    );
    refused(
        &login("*.azurecr.io"),
        "2: registry.login-server",
        &["wildcard"],
    );
    refused(
        &login("azurecr.io"),
        "2: registry.login-server",
        &["<registry>.azurecr.io"],
    );
    refused(
        &login("contoso.eastus.data.azurecr.io"),
        "2: registry.login-server",
        &["data-endpoints"],
    );
    refused(
        &login("contoso.azurecr.us"),
        "2: registry.login-server",
        &["protect.cloud = \"us-government\""],
    );
    let government = format!(
        "{}[protect]\ncloud = \"us-government\"\n",
        login("Contoso.AzureCR.us")
    );
    assert_eq!(
        read(&government).unwrap().registries[0]
            .login_server
            .as_str(),
        "contoso.azurecr.us"
    );
    refused(
        "[[registry]]\nregions = []\n",
        "1: registry",
        &["login-server is missing"],
    );
    let twice = format!("{MINIMAL}\n{}", login("CONTOSO.azurecr.io"));
    refused(&twice, "5: registry.login-server", &["already"]);
}

#[test]
fn whole_endpoint_names_are_those_of_the_same_registry() {
    let text = registry(
        "data-endpoints = [\"contoso.eastus.data.azurecr.io\", \"contoso.eastus.geo.azurecr.io\"]",
    );
    assert_eq!(read(&text).unwrap().registries[0].data_endpoints.len(), 2);
    for foreign in [
        "evil.eastus.data.azurecr.io",
        "evil.azurecr.io",
        "x.blob.core.windows.net",
    ] {
        let text = registry(&format!("data-endpoints = [\"{foreign}\"]"));
        refused(
            &text,
            "3: registry.data-endpoints",
            &["another registry", "contoso.<region>.data"],
        );
    }
    let text = registry("data-endpoints = [\"contoso.azurecr.io\"]");
    refused(&text, "3: registry.data-endpoints", &["open already"]);
}

#[test]
fn the_endpoints_of_a_name_with_a_hash_are_not_built_from_regions() {
    let hashed = "[[registry]]\nlogin-server = \"contoso-e7ggejfuhzhgedc8.azurecr.io\"\n";
    let text = format!("{hashed}regions = [\"eastus\"]\n");
    refused(&text, "3: registry.regions", &["hash", "endpoints-file"]);
    let text = format!("{hashed}regions = \"discover\"\n");
    refused(&text, "3: registry.regions", &["hash", "endpoints-file"]);
    let text =
        format!("{hashed}data-endpoints = [\"contoso-e7ggejfuhzhgedc8.eastus.data.azurecr.io\"]\n");
    assert!(read(&text).is_ok());
}

#[test]
fn registries_of_the_command_line_follow_the_same_rules() {
    let names = |list: &[&str]| {
        list.iter()
            .map(|name| name.parse().unwrap())
            .collect::<Vec<Name>>()
    };
    let error = |list: &[&str], regions: &[&str]| {
        let regions: Vec<String> = regions.iter().map(ToString::to_string).collect();
        Config::for_registries(&names(list), &regions)
            .unwrap_err()
            .to_string()
    };
    assert!(error(&[], &[]).starts_with("--registry: none is named"));
    assert!(
        error(&["contoso.example.com"], &[]).starts_with("--registry: \"contoso.example.com\"")
    );
    assert!(error(&["a.azurecr.io", "b.azurecr.cn"], &[]).contains("of the cloud \"china\""));
    assert!(error(&["a.azurecr.io"], &["East US"]).starts_with("--region: \"East US\""));
    assert!(error(&["a-hash.azurecr.io"], &["eastus"]).starts_with("--region: "));
    let config = Config::for_registries(
        &names(&["b.azurecr.us", "a.azurecr.us", "b.azurecr.us"]),
        &["usgovvirginia".to_owned()],
    )
    .unwrap();
    assert_eq!(config.protect.cloud, Cloud::UsGovernment);
    assert_eq!(config.registries.len(), 2);
    assert_eq!(config.registries[1].regions, ["usgovvirginia"]);
}
