//! The protected set: one look-up table for each address family.

pub mod interval;
pub mod stride;
