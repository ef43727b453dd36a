use super::*;

#[test]
fn data_endpoint_pattern_matches_regions_of_its_own_registry() {
    let config = read(&registry(
        "data-endpoints = [\"Contoso.*.data.azurecr.io\", \"contoso.eastus.data.azurecr.io\"]",
    ));
    let config = config.unwrap();
    let registry_read = &config.registries[0];
    assert_eq!(
        registry_read.patterns[0].as_str(),
        "contoso.*.data.azurecr.io"
    );
    assert_eq!(registry_read.data_endpoints.len(), 1);
    rejected(
        &registry("data-endpoints = [\"fabrikam.*.data.azurecr.io\"]"),
        "3: registry.data-endpoints",
        &["fabrikam.*.data.azurecr.io", "another registry"],
    );
    for wildcard in [
        "*.azurecr.io",
        "contoso.*.*.azurecr.io",
        "*.blob.core.windows.net",
    ] {
        let text = registry(&format!("data-endpoints = [\"{wildcard}\"]"));
        rejected(&text, "3: registry.data-endpoints", &["wildcard"]);
    }
}

#[test]
fn sni_of_a_registry_is_required_and_off_is_a_weakness() {
    let required = read(&registry("sni = \"required\"")).unwrap();
    assert_eq!(required, read(MINIMAL).unwrap());
    assert!(required.weaknesses().is_empty());
    let off = read(&registry("sni = \"off\"")).unwrap();
    assert_eq!(off.registries[0].sni, Sni::Off);
    let weaknesses = off.weaknesses();
    assert!(
        weaknesses.len() == 1 && weaknesses[0].contains("contoso.azurecr.io"),
        "{weaknesses:?}"
    );
    rejected(
        &registry("sni = \"on\""),
        "3: registry.sni",
        &["required", "off"],
    );
}

#[test]
fn sni_of_an_exception_is_required_and_off_is_a_weakness() {
    let whole = "reason = \"logs\"\nunit = \"a.service\"\nnames = [\"a.blob.core.windows.net\"]\nuntil = 2999-01-01T00:00:00Z";
    let with = |sni: &str| exception(&format!("{whole}\nsni = {sni}"));
    let required = read(&exception(whole)).unwrap();
    assert_eq!(required.exceptions[0].sni, Sni::Required);
    assert!(required.weaknesses().is_empty());
    let off = read(&with("\"off\"")).unwrap();
    assert_eq!(off.exceptions[0].sni, Sni::Off);
    assert_eq!(
        off.registries.first().map(|one| one.sni),
        required.registries.first().map(|one| one.sni)
    );
    let weaknesses = off.weaknesses();
    assert!(
        weaknesses.len() == 1 && weaknesses[0].contains("unit a.service"),
        "{weaknesses:?}"
    );
    rejected(&with("\"on\""), "8: exception.sni", &["required", "off"]);
}

#[test]
fn dns_snooping_is_on_by_default() {
    assert!(read(MINIMAL).unwrap().dns.snoop);
    assert!(
        !read(&format!("{MINIMAL}[dns]\nlearn = false\n"))
            .unwrap()
            .dns
            .snoop
    );
}
