//! Addresses from `/etc/hosts`.

use super::*;

fn pin(cache: &mut Cache, addresses: &[&str], seconds: u64) -> Vec<String> {
    let pinned = |line| HostsPin {
        line,
        untagged: false,
    };
    let pins = (1..).zip(addresses);
    let pins = pins.map(|(line, address)| (ip(address), pinned(line)));
    let pins = BTreeMap::from([(contoso(), pins.collect())]);
    let added = cache.pin(&pins, at(seconds)).into_iter();
    added.map(|(_, address)| address.to_string()).collect()
}

fn lines(cache: &Cache) -> Vec<Option<u32>> {
    let addresses = entry(cache).addresses();
    addresses.map(|(_, entry)| entry.pinned()).collect()
}

#[test]
fn an_address_stays_while_the_hosts_file_gives_it_and_lingers_after_that() {
    let mut cache = cache();
    assert_eq!(pin(&mut cache, &["20.0.0.1"], 0), ["20.0.0.1"]);
    assert_eq!(pin(&mut cache, &["20.0.0.1"], 1), [""; 0]);
    answer(&mut cache, only_v4(&["20.0.0.2"]), 2);
    assert_eq!(expire(&mut cache, 10 * HOUR), [""; 0]);
    assert_eq!(lines(&cache), [Some(1), None]);
    assert_eq!(pin(&mut cache, &[], 10 * HOUR), [""; 0]);
    assert_eq!(lines(&cache), [None, None]);
    assert_eq!(expire(&mut cache, 10 * HOUR + 899), [""; 0]);
    assert_eq!(expire(&mut cache, 10 * HOUR + 900), ["20.0.0.1"]);
}

#[test]
fn an_address_of_answers_and_hosts_file_expires_when_neither_gives_it() {
    let mut cache = cache();
    answer(&mut cache, only_v4(&["20.0.0.1"]), 0);
    pin(&mut cache, &["20.0.0.1"], 1);
    answer(&mut cache, only_v4(&["20.0.0.2"]), 2);
    assert_eq!(expire(&mut cache, HOUR), [""; 0]);
    pin(&mut cache, &[], HOUR);
    assert_eq!(expire(&mut cache, HOUR + 899), [""; 0]);
    assert_eq!(expire(&mut cache, HOUR + 900), ["20.0.0.1"]);
    pin(&mut cache, &["20.0.0.2"], 2 * HOUR);
    pin(&mut cache, &[], 2 * HOUR);
    assert_eq!(expire(&mut cache, 9 * HOUR), [""; 0], "an answer holds it");
}

#[test]
fn hosts_file_and_answers_take_no_room_from_each_other() {
    let mut cache = cache_with(CacheSettings {
        addresses: 2,
        ..CacheSettings::default()
    });
    pin(&mut cache, &["20.0.1.1", "20.0.1.2", "20.0.1.3"], 0);
    answer(&mut cache, only_v4(&["20.0.1.1"]), 0);
    for second in 1..100 {
        let rotating = format!("20.0.0.{second}");
        let outcome = answer(&mut cache, only_v4(&[&rotating]), second);
        assert_eq!(
            (outcome.added, outcome.refused),
            (vec![ip(&rotating)], vec![])
        );
    }
    let pinned = lines(&cache).into_iter().flatten();
    assert_eq!(pinned.count(), 3);
    assert!(!cache.forget_observed(&contoso(), ip("20.0.1.1")));
}

#[test]
fn addresses_of_the_hosts_file_alone_are_not_saved() {
    let mut cache = cache();
    pin(&mut cache, &["20.0.0.1"], 0);
    let state = cache.persist("2026-11-29T00:00:00Z".parse().unwrap(), at(1));
    assert!(state.names.is_empty());
}

#[test]
fn a_name_that_left_the_set_gets_no_address_of_the_hosts_file_until_it_returns() {
    let mut cache = cache();
    cache.set_names([], at(0));
    assert_eq!(pin(&mut cache, &["20.0.0.1"], 1), [""; 0]);
    cache.set_names([contoso()], at(2));
    assert_eq!(pin(&mut cache, &["20.0.0.1"], 2), ["20.0.0.1"]);
}
