//! Enums with a stable word for each variant, for metrics, scripts and the journal.

/// Declares an enum with one word per variant, `ALL`, `word` and `from_word`, none of which can miss a variant.
macro_rules! word_enum {
    (
        $(#[$about:meta])*
        $visibility:vis enum $name:ident { $($(#[$variant_about:meta])* $variant:ident => $word:literal,)+ }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $name { $($(#[$variant_about])* $variant,)+ }

        impl $name {
            /// All variants, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable word of the variant.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The variant with this word; `None` if this version has no such word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

pub(crate) use word_enum;
