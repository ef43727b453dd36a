use super::*;

const GUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

#[test]
fn regions_are_a_list_or_discover() {
    let discovered = read(&registry("regions = \"discover\"")).unwrap();
    assert!(discovered.registries[0].discover && discovered.registries[0].regions.is_empty());
    let listed = read(&registry("regions = [\"eastus\"]")).unwrap();
    assert!(!listed.registries[0].discover);
    rejected(
        &registry("regions = \"eastus\""),
        "3: registry.regions",
        &["regions = [\"eastus\"]", "discover"],
    );
    rejected(
        &registry("regions = 3"),
        "3: registry.regions",
        &["a list of regions"],
    );
}

#[test]
fn resource_id_belongs_to_the_same_registry() {
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
    rejected(
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
        rejected(
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
fn custom_domain_is_resolved_to_its_registry() {
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
fn custom_domain_allows_no_other_registry_and_no_azure_name() {
    rejected(
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
        rejected(&text, "3: registry.registry", &[login_server, fix]);
    }
    for label in ["contoso.azurecr.io", "", "-a", "a b", "*"] {
        let text = behind("registry.contoso.com", label);
        rejected(&text, "3: registry.registry", &["such as \"contoso\""]);
    }
    let other = format!(
        "{}data-endpoints = [\"evil.eastus.data.azurecr.io\"]\n",
        behind("registry.contoso.com", "contoso")
    );
    rejected(&other, "4: registry.data-endpoints", &["another registry"]);
}

#[test]
fn registry_and_custom_domain_share_one_section() {
    let custom = behind("registry.contoso.com", "contoso");
    for twice in [
        "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\n".to_owned(),
        behind("other.contoso.com", "contoso"),
        behind("registry.contoso.com", "fabrikam"),
    ] {
        rejected(
            &format!("{custom}{twice}"),
            "5: registry.login-server",
            &["merge the two"],
        );
    }
}

#[test]
fn login_server_is_one_label_below_the_cloud_suffix() {
    let login = |name: &str| format!("[[registry]]\nlogin-server = \"{name}\"\n");
    rejected(
        &login("contoso.example.com"),
        "2: registry.login-server",
        &["<registry>.azurecr.io"],
    );
    rejected(
        &login("Contoso"),
        "2: registry.login-server",
        &["only the registry's name", "write \"contoso.azurecr.io\""],
    );
    rejected(
        &format!("{}[protect]\ncloud = \"china\"\n", login("contoso")),
        "2: registry.login-server",
        &["write \"contoso.azurecr.cn\""],
    );
    rejected(
        &login("*.azurecr.io"),
        "2: registry.login-server",
        &["wildcard"],
    );
    rejected(
        &login("azurecr.io"),
        "2: registry.login-server",
        &["<registry>.azurecr.io"],
    );
    rejected(
        &login("contoso.eastus.data.azurecr.io"),
        "2: registry.login-server",
        &["data-endpoints"],
    );
    rejected(
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
    rejected(
        "[[registry]]\nregions = []\n",
        "1: registry",
        &["login-server is missing"],
    );
    let twice = format!("{MINIMAL}\n{}", login("CONTOSO.azurecr.io"));
    rejected(&twice, "5: registry.login-server", &["already"]);
}

#[test]
fn data_endpoints_belong_to_the_same_registry() {
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
        rejected(
            &text,
            "3: registry.data-endpoints",
            &["another registry", "contoso.<region>.data"],
        );
    }
    let text = registry("data-endpoints = [\"contoso.azurecr.io\"]");
    rejected(&text, "3: registry.data-endpoints", &["allowed already"]);
}

#[test]
fn endpoints_of_a_hashed_name_are_not_built_from_regions() {
    let hashed = "[[registry]]\nlogin-server = \"contoso-e7ggejfuhzhgedc8.azurecr.io\"\n";
    let text = format!("{hashed}regions = [\"eastus\"]\n");
    rejected(&text, "3: registry.regions", &["hash", "endpoints-file"]);
    let text = format!("{hashed}regions = \"discover\"\n");
    rejected(&text, "3: registry.regions", &["hash", "endpoints-file"]);
    let text =
        format!("{hashed}data-endpoints = [\"contoso-e7ggejfuhzhgedc8.eastus.data.azurecr.io\"]\n");
    assert!(read(&text).is_ok());
}

#[test]
fn command_line_registries_follow_the_same_rules() {
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
    assert!(error(&[], &[]).starts_with("--registry: no registry is named"));
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
