//! Address grants that the kernel snooped from DNS answers and that the policy no longer permits.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_common::layout::{AddressGrant, AddressKey, Deadline};

/// Which names may grant addresses, and until when, by cgroup (0 for all) and the name's number.
pub type NameGrants = BTreeMap<(u64, u32), Deadline>;

/// Returns the `snooped` grants to remove: those of names that `permitted` lacks for the cgroup or permits for a shorter time, those to any
/// name, which the kernel never adds by snooping, and addresses that are left without a name.
pub fn revoked_grants(
    snooped: &[(AddressGrant, Deadline)],
    permitted: &NameGrants,
) -> Vec<AddressGrant> {
    let is_name = |grant: &AddressGrant| grant.name != AddressGrant::ADDRESS;
    let is_permitted = |(grant, deadline): &(AddressGrant, Deadline)| {
        let until = permitted.get(&(grant.cgroup, grant.name));
        grant.name != AddressGrant::ANY_NAME && until.is_some_and(|until| deadline <= until)
    };
    let names = snooped.iter().filter(|(grant, _)| is_name(grant));
    let (kept, gone): (Vec<_>, Vec<_>) = names.partition(|name| is_permitted(name));
    let targets = |names: &[&(AddressGrant, Deadline)]| -> BTreeSet<(u64, AddressKey)> {
        names.iter().map(|(grant, _)| target(grant)).collect()
    };
    let (kept, left) = (targets(&kept), targets(&gone));
    let nameless = snooped.iter().map(|(grant, _)| grant);
    let nameless = nameless.filter(|grant| !is_name(grant));
    let nameless = nameless.filter(|grant| {
        let target = target(grant);
        left.contains(&target) && !kept.contains(&target)
    });
    let names = gone.iter().map(|(grant, _)| grant);
    names.chain(nameless).copied().collect()
}

fn target(grant: &AddressGrant) -> (u64, AddressKey) {
    (grant.cgroup, grant.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: AddressKey = [1; 16];
    const THERE: AddressKey = [2; 16];
    const CONTOSO: u32 = 7;
    const FABRIKAM: u32 = 8;
    const UNIT: u64 = 40;

    fn grant(cgroup: u64, address: AddressKey, name: u32) -> AddressGrant {
        AddressGrant::new(cgroup, address, name)
    }

    fn gone(snooped: &[AddressGrant], permitted: &[(u64, u32)]) -> Vec<AddressGrant> {
        let snooped: Vec<_> = snooped.iter().map(|grant| (*grant, 100)).collect();
        let permitted = permitted.iter().map(|grant| (*grant, 100)).collect();
        revoked_grants(&snooped, &permitted)
    }

    #[test]
    fn a_permitted_name_stays_with_its_address() {
        let snooped = [
            grant(0, HERE, AddressGrant::ADDRESS),
            grant(0, HERE, CONTOSO),
        ];
        assert_eq!(gone(&snooped, &[(0, CONTOSO)]), []);
    }

    #[test]
    fn a_removed_name_goes_with_the_addresses_of_no_other_name() {
        let snooped = [
            grant(0, HERE, AddressGrant::ADDRESS),
            grant(0, HERE, CONTOSO),
            grant(0, HERE, FABRIKAM),
            grant(0, THERE, AddressGrant::ADDRESS),
            grant(0, THERE, FABRIKAM),
        ];
        let expected = [snooped[2], snooped[4], snooped[3]];
        assert_eq!(gone(&snooped, &[(0, CONTOSO)]), expected);
    }

    #[test]
    fn grants_to_any_name_are_removed() {
        let snooped = [
            grant(0, HERE, AddressGrant::ADDRESS),
            grant(0, HERE, CONTOSO),
            grant(0, HERE, AddressGrant::ANY_NAME),
        ];
        assert_eq!(gone(&snooped, &[(0, CONTOSO)]), [snooped[2]]);
    }

    #[test]
    fn a_name_is_permitted_per_cgroup_and_until_its_deadline() {
        let snooped = [
            grant(UNIT, HERE, AddressGrant::ADDRESS),
            grant(UNIT, HERE, CONTOSO),
        ];
        let both = [snooped[1], snooped[0]];
        assert_eq!(gone(&snooped, &[(UNIT, CONTOSO)]), []);
        assert_eq!(gone(&snooped, &[(0, CONTOSO), (UNIT, FABRIKAM)]), both);
        let ends_sooner = NameGrants::from([((UNIT, CONTOSO), 99)]);
        assert_eq!(
            revoked_grants(&snooped.map(|it| (it, 100)), &ends_sooner),
            both
        );
    }

    #[test]
    fn an_address_whose_name_grant_is_still_to_come_stays() {
        let snooped = [grant(0, HERE, AddressGrant::ADDRESS)];
        assert_eq!(gone(&snooped, &[]), []);
    }
}
