//! What inputs compile to, and which are refused.

use enforcer_common::layout::ANY_SCOPE;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn exception(cgroup: u64, deadline: u64, prefixes: &[&str]) -> ExceptionInput {
    ExceptionInput {
        bypasses_devices: false,
        cgroup,
        level: 2,
        deadline,
        prefixes: prefixes.iter().map(|text| text.parse().unwrap()).collect(),
        addresses: vec![],
    }
}

fn protected(class: Class, prefix: &str) -> Arc<Tables> {
    let protected = Protected {
        layers: vec![Layer {
            class,
            prefixes: vec![prefix.parse().unwrap()],
        }],
        ..Protected::default()
    };
    compile_tables(&protected).unwrap()
}

fn compile_alone(inputs: &Inputs) -> Result<Desired, CompileError> {
    compile(inputs, compile_tables(&Protected::default())?)
}

#[test]
fn the_platform_address_is_exempt_even_inside_a_protected_prefix() {
    let tables = protected(Class::Configured, "168.63.0.0/16");
    assert_eq!(tables.class(address(PLATFORM)), Class::Exempt);
}

#[test]
fn an_allowed_address_outside_every_prefix_requires_the_lookup() {
    let lookup = |text: &str| {
        let inputs = Inputs {
            default_allow: true,
            allowed: vec![ip(text)],
            ..Inputs::default()
        };
        let desired = compile(&inputs, protected(Class::Registry, "20.42.66.0/24"));
        !desired.unwrap().switches.unprotected_needs_no_lookup()
    };
    assert!(!lookup("20.42.66.1"));
    assert!(lookup("20.42.67.1"));
    assert!(
        !lookup("10.1.0.4"),
        "a private endpoint is local, and open on every port"
    );
}

#[test]
fn names_that_share_an_address_are_counted() {
    let desired = compile_alone(&Inputs {
        allowed: vec![ip("20.42.66.0"), ip("::ffff:20.42.66.0"), ip("20.42.66.1")],
        ..Inputs::default()
    })
    .unwrap();
    let names: Vec<u32> = desired
        .allowed
        .values()
        .map(|binding| binding.names)
        .collect();
    assert_eq!(names, [2, 1]);
}

#[test]
fn too_many_addresses_are_refused_as_a_whole() {
    let addresses = (0..=MAX_ADDRESSES).map(|at| IpAddr::from(at.to_be_bytes()));
    let refused = compile_alone(&Inputs {
        allowed: addresses.collect(),
        ..Inputs::default()
    });
    assert!(matches!(
        refused,
        Err(CompileError::MapFull { needed: 8193, .. })
    ));
}

#[test]
fn a_longer_prefix_has_the_latest_deadline_of_those_that_it_hides() {
    let desired = compile_alone(&Inputs {
        exceptions: vec![
            exception(7, 900, &["20.38.0.0/16"]),
            exception(7, 100, &["20.38.98.0/24", "20.39.0.0/16"]),
            exception(8, 50, &["20.38.98.0/24"]),
        ],
        ..Inputs::default()
    })
    .unwrap();
    let deadline = |cgroup, text: &str, bits: u32| {
        let key = ScopedAddress::new(cgroup, crate::policy::exceptions::key_of_network(ip(text)));
        desired.prefixes[&(key, 64 + 96 + bits)]
    };
    assert_eq!(deadline(7, "20.38.0.0", 16), 900);
    assert_eq!(deadline(7, "20.38.98.0", 24), 900);
    assert_eq!(deadline(7, "20.39.0.0", 16), 100);
    assert_eq!(deadline(8, "20.38.98.0", 24), 50);
}

#[test]
fn an_ipv6_exception_never_allows_ipv4() {
    let refused = compile_alone(&Inputs {
        exceptions: vec![exception(7, 1, &["::/0"])],
        ..Inputs::default()
    });
    assert!(matches!(refused, Err(CompileError::TooBroad(_))));
}

#[test]
fn the_longest_of_nested_nat64_prefixes_applies_in_any_order() {
    let carrier = "2a00:64::20.38.98.100";
    for order in [
        ["2a00:64::/96", "2a00:64::/32"],
        ["2a00:64::/32", "2a00:64::/96"],
    ] {
        let nat64 = order.map(|text| text.parse().unwrap()).to_vec();
        let tables = compile_tables(&Protected {
            nat64: nat64.clone(),
            ..Protected::default()
        });
        assert_eq!(
            tables.unwrap().class(address(ip(carrier))),
            Class::Nat64(96)
        );
        assert_eq!(
            super::super::effective_address(ip(carrier), &nat64),
            ip("20.38.98.100")
        );
    }
}

#[test]
fn packets_without_a_socket_have_the_union_of_all_exceptions() {
    let exceptions = vec![
        exception(40, 100, &["203.0.113.0/24"]),
        exception(41, 200, &["203.0.113.0/24"]),
    ];
    let scopes = |devices| {
        let inputs = Inputs {
            exceptions: exceptions.clone(),
            devices,
            ..Inputs::default()
        };
        let desired = compile_alone(&inputs).unwrap();
        let any = desired.prefixes.iter();
        let any = any.filter(|((key, _), _)| key.cgroup == ANY_SCOPE.to_be_bytes());
        let deadlines: Vec<Deadline> = any.map(|(_, deadline)| *deadline).collect();
        (desired.cgroups.into_keys().collect::<Vec<_>>(), deadlines)
    };
    assert_eq!(scopes(false), (vec![40, 41], vec![]));
    assert_eq!(scopes(true), (vec![40, 41], vec![200]));
}
