//! Properties of any sequence of answers, false ones included.

use proptest::prelude::*;

use super::*;

/// Addresses of a few regions' prefixes, of storage, of the private endpoints and of no service.
fn addresses() -> Vec<IpAddr> {
    let tags = tags();
    let regions =
        ["eastus", "westeurope", "swedencentral"].map(|region| &tags.registry_regions[region]);
    let own = regions.into_iter().flat_map(|prefixes| {
        let v4 = prefixes
            .v4()
            .iter()
            .take(2)
            .map(|net| IpAddr::from(net.network()));
        let v6 = prefixes
            .v6()
            .iter()
            .take(1)
            .map(|net| IpAddr::from(net.network()));
        v4.chain(v6).collect::<Vec<_>>()
    });
    let others = [
        "52.239.169.228",
        "10.1.0.4",
        "10.2.0.4",
        "8.8.8.8",
        "0.0.0.0",
        "2001:db8::1",
    ];
    own.chain(others.map(|text| text.parse().unwrap()))
        .collect()
}

fn family() -> impl Strategy<Value = Result<Vec<IpAddr>, LookupFailure>> {
    let failures = vec![
        LookupFailure::NxDomain,
        LookupFailure::NoAddress { ttl: None },
        LookupFailure::Timeout,
        LookupFailure::ServerFailure("SERVFAIL".to_owned()),
    ];
    prop_oneof![
        prop::collection::vec(prop::sample::select(addresses()), 0..3).prop_map(Ok),
        prop::sample::select(failures).prop_map(Err),
    ]
}

fn any_answer() -> impl Strategy<Value = Answer> {
    let resolved = |family: Result<Vec<IpAddr>, LookupFailure>| {
        family.map(|addresses| Resolved {
            addresses,
            ..Resolved::default()
        })
    };
    (family(), family()).prop_map(move |(v4, v6)| Answer {
        v4: resolved(v4),
        v6: resolved(v6),
    })
}

fn all_of(answer: &Answer) -> Vec<IpAddr> {
    let families = [&answer.v4, &answer.v6];
    let found = families.into_iter().flatten();
    found
        .flat_map(|resolved| resolved.addresses.clone())
        .collect()
}

fn is_in_region(region: &str, address: IpAddr) -> bool {
    let own = tags()
        .registry_regions
        .get(region)
        .is_some_and(|prefixes| prefixes.contains(address));
    own || address == "10.1.0.4".parse::<IpAddr>().unwrap()
}

fn is_absence(answer: &Answer) -> bool {
    let absent = |family: &Result<Resolved, LookupFailure>| match family {
        Ok(resolved) => resolved.addresses.is_empty(),
        Err(failure) => matches!(
            failure,
            LookupFailure::NxDomain | LookupFailure::NoAddress { .. }
        ),
    };
    absent(&answer.v4) && absent(&answer.v6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A resolver with the same answer for every name only allows names in the region of these addresses.
    #[test]
    fn the_same_answer_for_every_name_allows_its_region_only(answer in any_answer()) {
        let mut discovery = discovery();
        let names: Vec<Name> = discovery.probes.keys().cloned().collect();
        for name in &names {
            tell(&mut discovery, name, &answer, at(1));
        }
        let addresses = all_of(&answer);
        for replica in discovery.replicas(&contoso(), at(2)) {
            let region = replica.endpoint.name.labels().nth(1).unwrap();
            prop_assert!(!addresses.is_empty());
            prop_assert!(addresses.iter().all(|address| is_in_region(region, *address)));
        }
    }

    #[test]
    fn a_name_becomes_an_endpoint_by_addresses_of_its_region_and_ceases_by_three_absences(
        answers in prop::collection::vec((any_answer(), 0..4000_u64), 1..80)
    ) {
        let mut discovery = discovery();
        let (mut now, mut absences) = (at(0), 0);
        for (answer, wait) in answers {
            now += at(wait);
            let was = replicas(&discovery, now).len();
            let changed = tell(&mut discovery, &east_us(), &answer, now);
            let is = replicas(&discovery, now).len();
            prop_assert_eq!(changed, was != is);
            let addresses = all_of(&answer);
            let shows = !addresses.is_empty() && addresses.iter().all(|ip| is_in_region("eastus", *ip));
            absences = match (is_absence(&answer), addresses.is_empty()) {
                (true, _) => absences + 1,
                (false, true) => absences,
                (false, false) => 0,
            };
            prop_assert_eq!(is > was, shows && was == 0);
            prop_assert_eq!(is < was, was > 0 && absences >= ABSENCES);
            prop_assert!(next_query(&discovery, &east_us()) > now);
        }
    }
}
