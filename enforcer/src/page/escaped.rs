//! Text in HTML.

use std::fmt::{self, Display, Formatter};

use crate::printable;

/// Text without characters that have a meaning in HTML, are invisible or change the direction of text.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let line = printable::line(&self.0.replace(char::is_control, " "));
        for letter in line.chars() {
            match letter {
                '&' => formatter.write_str("&amp;")?,
                '<' => formatter.write_str("&lt;")?,
                '>' => formatter.write_str("&gt;")?,
                '"' => formatter.write_str("&quot;")?,
                other => write!(formatter, "{other}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_hide_or_turn_text_is_escaped() {
        let text = Escaped("<b> & \"x\"\n\u{202e}ä\u{200b}");
        assert_eq!(
            text.to_string(),
            "&lt;b&gt; &amp; &quot;x&quot; \\u{202e}ä\\u{200b}"
        );
    }
}
