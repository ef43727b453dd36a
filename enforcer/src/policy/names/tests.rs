use super::*;
use crate::policy::NameIds;

fn input(text: &str, id: u32, scopes: &[Scope]) -> NameInput {
    NameInput {
        text: text.to_owned(),
        id,
        scopes: scopes.to_vec(),
        addresses: vec!["20.42.66.0".parse().unwrap()],
        ..NameInput::default()
    }
}

fn only(inputs: &[NameInput]) -> NameEntry {
    let (names, _) = compile(inputs, false).unwrap();
    *names.values().next().unwrap()
}

const ONE: Scope = Scope {
    cgroup: 7,
    deadline: 100,
    unchecked: false,
};
const OTHER: Scope = Scope {
    cgroup: 8,
    deadline: 50,
    unchecked: false,
};

#[test]
fn two_names_of_one_address_have_a_grant_each() {
    let inputs = [
        input("a.azurecr.io", 1, &[EVERYBODY]),
        input("b.azurecr.io", 2, &[EVERYBODY]),
    ];
    let (names, granted) = compile(&inputs, false).unwrap();
    assert_eq!(names.len(), 2);
    let granted: Vec<_> = granted.keys().map(|grant| grant.name).collect();
    assert_eq!(granted, [1, 2]);
}

#[test]
fn the_kernel_snoops_for_one_scope_and_asks_the_daemon_for_several() {
    let one = only(&[input("logs.blob.core.windows.net", 1, &[ONE])]);
    assert_eq!((one.cgroup, one.deadline, one.flags), (7, 100, 0));
    let two = only(&[input("logs.blob.core.windows.net", 1, &[ONE, OTHER])]);
    assert_eq!((two.cgroup, two.flags), (0, NameEntry::ASK_DAEMON));
    let both = only(&[input("contoso.azurecr.io", 1, &[ONE, EVERYBODY])]);
    assert_eq!((both.cgroup, both.flags), (0, NameEntry::REGISTRY));
}

#[test]
fn a_departed_name_is_not_snooped() {
    let mut left = input("contoso.azurecr.io", 1, &[EVERYBODY]);
    left.departed = true;
    left.flags = NameEntry::IN_REGISTRY_TAG;
    assert_eq!(only(&[left]).flags, 0);
}

/// The grants to any name, by cgroup and address.
fn any_names(inputs: &[NameInput]) -> Vec<(u64, IpAddr)> {
    let (_, granted) = compile(inputs, false).unwrap();
    let any = granted
        .keys()
        .filter(|grant| grant.name == AddressGrant::ANY_NAME);
    let place = |grant: &AddressGrant| {
        let address = std::net::Ipv6Addr::from(grant.address).to_canonical();
        (grant.cgroup, address)
    };
    any.map(place).collect()
}

#[test]
fn only_scopes_without_sni_check_get_a_grant_to_any_name() {
    let off = Scope {
        unchecked: true,
        ..ONE
    };
    let login = input("contoso.azurecr.io", 1, &[EVERYBODY, off, OTHER]);
    assert_eq!(any_names(&[login]), [(7, "20.42.66.0".parse().unwrap())]);
}

#[test]
fn a_name_without_sni_check_is_not_snooped_by_the_kernel() {
    let everybody = Scope {
        unchecked: true,
        ..EVERYBODY
    };
    let one = Scope {
        unchecked: true,
        ..ONE
    };
    for scopes in [&[everybody][..], &[one], &[EVERYBODY, one]] {
        let flags = only(&[input("contoso.azurecr.io", 1, scopes)]).flags;
        let asks = NameEntry::UNCHECKED | NameEntry::ASK_DAEMON;
        assert_eq!(flags & asks, asks, "{scopes:?}");
    }
}

#[test]
fn inherited_addresses_are_granted_to_their_names_and_never_to_any_name() {
    let inherited: IpAddr = "20.42.66.9".parse().unwrap();
    let mut off = input("contoso.azurecr.io", 1, &[EVERYBODY]);
    off.scopes[0].unchecked = true;
    let mut required = input("fabrikam.azurecr.io", 2, &[EVERYBODY]);
    required.addresses = vec!["20.42.66.8".parse().unwrap()];
    for input in [&mut off, &mut required] {
        input.inherited = vec![inherited];
    }
    let inputs = [off, required];
    assert_eq!(any_names(&inputs), [(0, "20.42.66.0".parse().unwrap())]);
    let (_, granted) = compile(&inputs, false).unwrap();
    let inherited = granted
        .keys()
        .filter(|grant| grant.address == address(inherited).key());
    assert_eq!(
        inherited.map(|grant| grant.name).collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn inherited_addresses_leave_room_for_others() {
    let many = (0..8000_u32).map(|at| std::net::Ipv4Addr::from_bits(0x142a_0000 + at).into());
    let many: Vec<IpAddr> = many.collect();
    let inputs: Vec<_> = (1..10)
        .map(|id| NameInput {
            inherited: many.clone(),
            ..input(&format!("{id}.azurecr.io"), id, &[EVERYBODY])
        })
        .collect();
    let (_, granted) = compile(&inputs, false).unwrap();
    assert_eq!(granted.len(), MOST_INHERITED);
    let own = address("20.42.66.0".parse().unwrap()).key();
    let own = granted.keys().filter(|grant| grant.address == own);
    assert_eq!(own.count(), 9);
}

#[test]
fn a_name_keeps_its_number() {
    let mut ids = NameIds::default();
    let (first, second) = (ids.id("a.azurecr.io"), ids.id("b.azurecr.io"));
    assert_ne!(first, second);
    let entry = NameEntry {
        id: second,
        ..NameEntry::default()
    };
    let held = BTreeMap::from([(key("b.azurecr.io"), entry)]);
    let mut found = NameIds::of(&held);
    assert_eq!(found.id("B.azurecr.io"), second);
    assert_ne!(found.id("c.azurecr.io"), second);
    assert_eq!(found.name(second).as_deref(), Some("b.azurecr.io"));
    assert_eq!(
        NameIds::default().id("a.azurecr.io"),
        first,
        "another version gives the same"
    );
}

#[test]
fn packets_without_a_socket_have_the_grants_of_all_scopes() {
    let scope = |cgroup, deadline| Scope {
        cgroup,
        deadline,
        unchecked: false,
    };
    let input = NameInput {
        text: "logs.example.com".into(),
        id: 7,
        scopes: vec![scope(40, 100), scope(41, 200)],
        addresses: vec!["203.0.113.7".parse().unwrap()],
        ..NameInput::default()
    };
    let any = |granted: &BTreeMap<AddressGrant, Deadline>| {
        let of_any = granted.iter().find(|(grant, _)| grant.cgroup == ANY_SCOPE);
        of_any.map(|(_, deadline)| *deadline)
    };
    let (_, granted) = compile(std::slice::from_ref(&input), false).unwrap();
    assert_eq!((granted.len(), any(&granted)), (2, None));
    let (_, granted) = compile(&[input], true).unwrap();
    assert_eq!((granted.len(), any(&granted)), (3, Some(200)));
}
