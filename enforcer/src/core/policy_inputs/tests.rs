use std::collections::BTreeSet;
use std::net::Ipv6Addr;
use std::time::Duration;

use enforcer_common::layout::{AddressGrant, AddressKey, NameEntry};

use super::*;
use crate::core::evaluate::inputs;
use crate::core::event::CgroupRef;
use crate::core::exception_state::ExceptionState;
use crate::policy::{Desired, Protected, compile, compile_tables, name_key};
use crate::resolver::answer::AnswerVerdict;
use crate::resolver::cache::CacheSettings;

const CONTOSO: &str = "contoso.azurecr.io";
const FABRIKAM: &str = "fabrikam.azurecr.io";
const REGISTRIES: &str = "\
    [[registry]]\nlogin-server = \"contoso.azurecr.io\"\nsni = \"off\"\nprivate-endpoints = [\"10.1.0.0/24\"]\n\
    [[registry]]\nlogin-server = \"fabrikam.azurecr.io\"\nprivate-endpoints = [\"10.2.0.0/24\"]\n";
const EXCEPTION: &str = "[[exception]]\nreason = \"one unit\"\nunit = \"puller.service\"\nsni = \"off\"\n\
    names = [\"fabrikam.azurecr.io\"]\nuntil = 2999-01-01T00:00:00Z\n";

fn key(address: &str) -> AddressKey {
    match address.parse().unwrap() {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Returns the desired maps for `text` with these `answers` and `inherited` addresses, if the unit of exceptions is in cgroup 7.
fn desired(text: &str, answers: &[(&str, &str)], inherited: &[(&str, u32)]) -> Desired {
    let sources = Sources::of_text(text);
    let mut cache = Cache::new(CacheSettings::default());
    cache.set_names(sources.all_names().cloned(), Duration::ZERO);
    for (name, address) in answers {
        let (name, address) = (name.parse().unwrap(), address.parse().unwrap());
        let accept = |_: &Name, _: IpAddr| AnswerVerdict::Accept;
        cache.observe(&name, address, &accept, Duration::ZERO);
    }
    let mut registries = RegistryNames::default();
    registries.update(&sources, &cache);
    let keys: Vec<_> = inherited.iter().map(|(address, _)| key(address)).collect();
    let grant =
        |(address, name): &(&str, u32)| (AddressGrant::new(0, key(address), *name), u64::MAX);
    let bound = inherited.iter().map(grant).collect();
    let inherited = Inherited::new(keys.iter(), &bound, &sources, Duration::MAX);
    let origins = PolicyInputs {
        sources: &sources,
        cache: &cache,
        registries: &registries,
        patterns: &Patterns::default(),
        inherited: &inherited,
    };
    let state = ExceptionState {
        cgroups: vec![CgroupRef {
            id: 7,
            level: 1,
            path: "/puller.service".into(),
        }],
        deadline: u64::MAX,
    };
    let inputs = inputs(&origins, &[state], &mut NameIds::default());
    compile(&inputs, compile_tables(&Protected::default()).unwrap()).unwrap()
}

/// Returns the addresses allowed for any server name, by cgroup.
fn any_names(desired: &Desired) -> BTreeSet<(u64, String)> {
    let any = desired.name_addresses.keys();
    let any = any.filter(|grant| grant.name == AddressGrant::ANY_NAME);
    let cgroup_and_address = |grant: &AddressGrant| {
        let address = Ipv6Addr::from(grant.address).to_canonical();
        (grant.cgroup, address.to_string())
    };
    any.map(cgroup_and_address).collect()
}

#[test]
fn after_a_restart_names_are_checked_at_inherited_addresses() {
    let (contoso, fabrikam) = (
        NameIds::default().id(CONTOSO),
        NameIds::default().id(FABRIKAM),
    );
    let own = [(CONTOSO, "10.1.0.4"), (FABRIKAM, "10.2.0.4")];
    let inherited = [
        ("10.2.0.5", fabrikam),
        ("10.2.0.6", AddressGrant::ADDRESS),
        ("10.1.0.6", contoso),
        ("10.2.0.4", AddressGrant::ADDRESS),
    ];
    let desired = desired(REGISTRIES, &own, &inherited);
    assert_eq!(any_names(&desired), [(0, "10.1.0.4".to_owned())].into());
    let bound = |address, name| {
        desired
            .name_addresses
            .contains_key(&AddressGrant::new(0, key(address), name))
    };
    assert!(bound("10.2.0.5", fabrikam) && !bound("10.2.0.5", contoso));
    assert!(bound("10.2.0.6", fabrikam) && bound("10.2.0.6", contoso));
    assert!(bound("10.2.0.4", fabrikam) && !bound("10.2.0.4", contoso));
    assert!(bound("10.1.0.6", contoso) && !bound("10.1.0.6", fabrikam));
    assert!(
        inherited
            .iter()
            .all(|(address, _)| desired.allowed.contains_key(&key(address)))
    );
}

#[test]
fn an_exception_without_name_checks_affects_only_its_cgroup() {
    let text = format!("{REGISTRIES}{EXCEPTION}");
    let own = [(FABRIKAM, "10.2.0.4")];
    let desired = desired(&text, &own, &[]);
    assert_eq!(any_names(&desired), [(7, "10.2.0.4".to_owned())].into());
    let flags = |name| desired.names[&name_key(name)].flags;
    let asks = NameEntry::UNCHECKED | NameEntry::ASK_DAEMON;
    assert_eq!([flags(CONTOSO) & asks, flags(FABRIKAM) & asks], [asks; 2]);
}

#[test]
fn the_kernel_trusts_only_servers_identified_by_address() {
    let configured = ["10.0.0.53:5353", "10.0.0.54:53"].map(|server| server.parse().unwrap());
    for (server, expected) in [
        ("10.0.0.53", false),
        ("10.0.0.54", true),
        ("10.0.0.55", true),
        ("fe80::1", false),
        ("febf::1", false),
        ("fd53::53", true),
    ] {
        assert_eq!(
            is_believed(server.parse().unwrap(), &configured),
            expected,
            "{server}"
        );
    }
}

#[test]
fn frames_without_a_socket_have_an_exception_once_devices_are_judged() {
    let answers = [(FABRIKAM, "10.2.0.4")];
    let scopes = |frames: &str| {
        let desired = desired(
            &format!("registry = []\n{EXCEPTION}{frames}"),
            &answers,
            &[],
        );
        let any = desired
            .addresses
            .keys()
            .filter(|key| key.cgroup == [u8::MAX; 8]);
        any.count()
    };
    assert_eq!(scopes(""), 0);
    assert_eq!(scopes("[frames]\nmode = \"on\"\n"), 1);
}
