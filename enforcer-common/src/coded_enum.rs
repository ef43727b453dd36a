//! Enums whose codes are stored in maps and events.

/// Defines an enum with a fixed code for each variant, `ALL` and `from_code`, neither of which can miss a variant. Append variants; never change a
/// code.
macro_rules! coded_enum {
    (
        $(#[$attribute:meta])*
        pub enum $name:ident: $code:ty {
            $($(#[$documentation:meta])* $variant:ident = $value:literal,)*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr($code)]
        pub enum $name {
            $($(#[$documentation])* $variant = $value,)*
        }

        impl $name {
            /// Every variant, by code.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            /// The variant with this code.
            #[inline(always)]
            pub const fn from_code(code: $code) -> Option<Self> {
                match code {
                    $($value => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use coded_enum;
