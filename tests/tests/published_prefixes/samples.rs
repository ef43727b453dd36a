//! The sampled addresses: boundaries of every published prefix, and random addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use test_data::Random;

use crate::oracle::Interval;

/// Returns `count` addresses: boundaries first, then random ones.
pub(crate) fn sample(raw: &[Interval], random: &mut Random, count: usize) -> Vec<IpAddr> {
    let mut sample = Vec::with_capacity(count + 4);
    for (first, last) in raw {
        let around = [before(*first), *first, *last, after(*last)];
        sample.extend(
            around
                .iter()
                .flat_map(|address| representations(*address, random)),
        );
    }
    assert!(sample.len() < count / 2, "{} borders", sample.len());
    while sample.len() < count {
        let interval = random.pick(raw);
        sample.push(by_chance(interval, random));
    }
    sample
}

/// A sixth each: anywhere (IPv4, IPv6), near a prefix (twice), inside one, inside one and representations.
fn by_chance(interval: Interval, random: &mut Random) -> IpAddr {
    match random.number() % 6 {
        0 => Ipv4Addr::from(random.word()).into(),
        1 => Ipv6Addr::from(random.wide()).into(),
        2 | 3 => near(interval.0, random),
        4 => within(interval, random),
        _ => {
            let address = within(interval, random);
            let forms = representations(address, random);
            random.pick(&forms)
        }
    }
}

/// Returns a random address in the same IPv4 /8, or the same IPv6 /24 or /40.
fn near(address: IpAddr, random: &mut Random) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let host = u32::MAX >> 8;
            Ipv4Addr::from(u32::from(address) & !host | random.word() & host).into()
        }
        IpAddr::V6(address) => {
            let host = u128::MAX >> random.pick(&[24, 40]);
            Ipv6Addr::from(u128::from(address) & !host | random.wide() & host).into()
        }
    }
}

fn within((first, last): Interval, random: &mut Random) -> IpAddr {
    match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            let host = u32::from(first) ^ u32::from(last);
            Ipv4Addr::from(u32::from(first) | random.word() & host).into()
        }
        (IpAddr::V6(first), IpAddr::V6(last)) => {
            let host = u128::from(first) ^ u128::from(last);
            Ipv6Addr::from(u128::from(first) | random.wide() & host).into()
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => first,
    }
}

/// Returns the representations of an address in a packet.
fn representations(address: IpAddr, random: &mut Random) -> Vec<IpAddr> {
    let IpAddr::V4(v4) = address else {
        return vec![address];
    };
    let [high, low] = [u32::from(v4) >> 16, u32::from(v4) & 0xffff].map(|half| half as u16);
    let well_known = Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low);
    let any = |random: &mut Random| random.word() as u16;
    let local = [any(random), any(random), any(random)];
    let local = Ipv6Addr::new(0x64, 0xff9b, 1, local[0], local[1], local[2], high, low);
    vec![
        address,
        v4.to_ipv6_mapped().into(),
        well_known.into(),
        local.into(),
    ]
}

fn before(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address).wrapping_sub(1)).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address).wrapping_sub(1)).into(),
    }
}

fn after(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address).wrapping_add(1)).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address).wrapping_add(1)).into(),
    }
}
