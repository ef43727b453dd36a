//! Prefixes of the protected set.

use enforcer_common::Class;
use ipnet::IpNet;

/// Prefixes of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The class of the prefixes.
    pub class: Class,
    /// The prefixes, in any order.
    pub prefixes: Vec<IpNet>,
}
