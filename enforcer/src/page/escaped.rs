//! Text in HTML.

use std::fmt::{self, Display, Formatter};

/// Text without characters that have a meaning in HTML.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                control if control.is_control() => formatter.write_str(" ")?,
                other => write!(formatter, "{other}")?,
            }
        }
        Ok(())
    }
}
