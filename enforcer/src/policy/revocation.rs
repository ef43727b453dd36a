//! What the kernel learned from DNS answers and the policy does not grant any more.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_common::layout::{AddressGrant, AddressKey, Deadline};

/// Who may learn where which name leads, and until when: by cgroup (0 for everybody) and the name's number.
pub type NameGrants = BTreeMap<(u64, u32), Deadline>;

/// Which of `learned` are to go: names that lead nowhere for that cgroup or not for so long, whatever opens to any name, as the kernel learns
/// no such name, and addresses that are left without a name.
pub fn revoked_grants(
    learned: &[(AddressGrant, Deadline)],
    granted: &NameGrants,
) -> Vec<AddressGrant> {
    let is_name = |opening: &AddressGrant| opening.name != AddressGrant::ADDRESS;
    let is_granted = |(opening, deadline): &(AddressGrant, Deadline)| {
        let until = granted.get(&(opening.cgroup, opening.name));
        opening.name != AddressGrant::ANY_NAME && until.is_some_and(|until| deadline <= until)
    };
    let names = learned.iter().filter(|(opening, _)| is_name(opening));
    let (kept, gone): (Vec<_>, Vec<_>) = names.partition(|name| is_granted(name));
    let places = |names: &[&(AddressGrant, Deadline)]| -> BTreeSet<(u64, AddressKey)> {
        names.iter().map(|(opening, _)| place(opening)).collect()
    };
    let (kept, left) = (places(&kept), places(&gone));
    let nameless = learned.iter().map(|(opening, _)| opening);
    let nameless = nameless.filter(|opening| !is_name(opening));
    let nameless = nameless.filter(|opening| {
        let place = place(opening);
        left.contains(&place) && !kept.contains(&place)
    });
    let names = gone.iter().map(|(opening, _)| opening);
    names.chain(nameless).copied().collect()
}

fn place(opening: &AddressGrant) -> (u64, AddressKey) {
    (opening.cgroup, opening.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: AddressKey = [1; 16];
    const THERE: AddressKey = [2; 16];
    const CONTOSO: u32 = 7;
    const FABRIKAM: u32 = 8;
    const UNIT: u64 = 40;

    fn opening(cgroup: u64, address: AddressKey, name: u32) -> AddressGrant {
        AddressGrant::new(cgroup, address, name)
    }

    fn gone(learned: &[AddressGrant], granted: &[(u64, u32)]) -> Vec<AddressGrant> {
        let learned: Vec<_> = learned.iter().map(|opening| (*opening, 100)).collect();
        let granted = granted.iter().map(|grant| (*grant, 100)).collect();
        revoked_grants(&learned, &granted)
    }

    #[test]
    fn a_name_that_is_granted_stays_with_its_address() {
        let learned = [
            opening(0, HERE, AddressGrant::ADDRESS),
            opening(0, HERE, CONTOSO),
        ];
        assert_eq!(gone(&learned, &[(0, CONTOSO)]), []);
    }

    #[test]
    fn a_name_that_left_goes_with_the_addresses_that_only_it_led_to() {
        let learned = [
            opening(0, HERE, AddressGrant::ADDRESS),
            opening(0, HERE, CONTOSO),
            opening(0, HERE, FABRIKAM),
            opening(0, THERE, AddressGrant::ADDRESS),
            opening(0, THERE, FABRIKAM),
        ];
        let expected = [learned[2], learned[4], learned[3]];
        assert_eq!(gone(&learned, &[(0, CONTOSO)]), expected);
    }

    #[test]
    fn whatever_opens_to_any_name_goes_and_names_count_again() {
        let learned = [
            opening(0, HERE, AddressGrant::ADDRESS),
            opening(0, HERE, CONTOSO),
            opening(0, HERE, AddressGrant::ANY_NAME),
        ];
        assert_eq!(gone(&learned, &[(0, CONTOSO)]), [learned[2]]);
    }

    #[test]
    fn a_name_is_granted_to_those_who_have_it_and_no_longer_than_they_do() {
        let learned = [
            opening(UNIT, HERE, AddressGrant::ADDRESS),
            opening(UNIT, HERE, CONTOSO),
        ];
        let both = [learned[1], learned[0]];
        assert_eq!(gone(&learned, &[(UNIT, CONTOSO)]), []);
        assert_eq!(gone(&learned, &[(0, CONTOSO), (UNIT, FABRIKAM)]), both);
        let ends_sooner = NameGrants::from([((UNIT, CONTOSO), 99)]);
        assert_eq!(
            revoked_grants(&learned.map(|it| (it, 100)), &ends_sooner),
            both
        );
    }

    #[test]
    fn an_address_whose_name_is_not_seen_yet_stays() {
        let learned = [opening(0, HERE, AddressGrant::ADDRESS)];
        assert_eq!(gone(&learned, &[]), []);
    }
}
