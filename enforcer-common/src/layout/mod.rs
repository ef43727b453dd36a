//! Maps and programs: names, sizes, and layouts of keys and values.
//!
//! [`VERSION`] names the pin directory. Any change to a layout, a map's name or size, or a code raises it.

mod budget;
mod denials;
mod device;
mod maps;
mod names;
mod settings;

pub use self::budget::*;
pub use self::denials::*;
pub use self::device::*;
pub use self::maps::*;
pub use self::names::*;
pub use self::settings::*;

/// Version of everything in this module. A build with the feature `layout-next` has the next version and a different layout: the tests hand over
/// between the two.
pub const VERSION: u32 = 6 + cfg!(feature = "layout-next") as u32;
/// Other versions whose [`ALLOWED`] has the same keys and values, so that a hand-over keeps the addresses in it. Addresses that any other version allowed
/// are known from the state file only.
pub const SAME_ALLOWED: &[u32] = &[
    VERSION - 1,
    VERSION - 2,
    VERSION - 3,
    VERSION - 4,
    VERSION - 5,
];
