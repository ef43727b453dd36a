//! The protected ranges of addresses, to compare whole prefixes with.

use enforcer_common::Class;
use ipnet::IpNet;

use super::compile::Protected;
use super::intervals::{paint, range};

/// The protected set as ranges of addresses.
#[derive(Debug)]
pub struct ProtectedRanges {
    /// Starts of ranges, in order, each with the class up to the next start.
    v4: Vec<(u128, Class)>,
    v6: Vec<(u128, Class)>,
}

impl ProtectedRanges {
    /// Returns the ranges of a protected set.
    pub fn of(protected: &Protected) -> Self {
        let [v4, v6] = paint(&protected.all_layers()).map(|canvas| canvas.intervals());
        Self { v4, v6 }
    }

    /// Returns whether any address in `prefix` is protected, or is the NAT64 form of an IPv4 address.
    pub fn overlap(&self, prefix: &IpNet) -> bool {
        let starts = match prefix {
            IpNet::V4(_) => &self.v4,
            IpNet::V6(_) => &self.v6,
        };
        let (first, last) = range(prefix);
        let (before, after) = starts.split_at(starts.partition_point(|(start, _)| *start <= first));
        let within = after.iter().take_while(|(start, _)| *start <= last);
        let mut classes = before.last().into_iter().chain(within);
        classes.any(|(_, class)| is_protected(*class))
    }
}

const fn is_protected(class: Class) -> bool {
    match class {
        Class::Unprotected | Class::Exempt => false,
        Class::Storage | Class::Registry | Class::Configured | Class::Nat64(_) | Class::Unknown => {
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Layer;
    use super::*;

    #[test]
    fn a_prefix_overlaps_where_an_address_of_it_is_protected() {
        let ranges = ProtectedRanges::of(&Protected {
            layers: vec![Layer {
                class: Class::Storage,
                prefixes: ["20.38.98.0/24", "20.60.0.0/32", "2603:1030::/48"]
                    .map(|prefix| prefix.parse().unwrap())
                    .to_vec(),
            }],
            nat64: vec!["64:ff9b::/96".parse().unwrap()],
            exempt: vec!["20.60.0.0".parse().unwrap()],
        });
        for (prefix, overlaps) in [
            ("0.0.0.0/0", true),
            ("20.38.98.0/24", true),
            ("20.38.98.255/32", true),
            ("20.38.99.0/24", false),
            ("20.38.97.0/24", false),
            ("20.38.0.0/16", true),
            ("10.0.0.0/8", false),
            // Exempt, as is the address of the platform.
            ("20.60.0.0/16", false),
            ("168.63.129.16/32", false),
            ("::/0", true),
            ("2603:1030::1/128", true),
            ("2603:1031::/32", false),
            ("64:ff9b::a00:1/128", true),
        ] {
            assert_eq!(
                ranges.overlap(&prefix.parse().unwrap()),
                overlaps,
                "{prefix}"
            );
        }
    }
}
