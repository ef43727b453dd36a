//! Names of network devices, and patterns of them.

use std::fmt;

use super::FromText;

/// The longest name of a device (`IFNAMSIZ` of linux/if.h, without the NUL).
const LONGEST: usize = 15;

/// The name of a network device, or the begin of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfacePattern {
    /// The name, or what it begins with.
    text: String,
    is_prefix: bool,
}

impl InterfacePattern {
    /// Returns whether it matches the device `name`.
    pub fn matches(&self, name: &str) -> bool {
        if self.is_prefix {
            name.starts_with(&self.text)
        } else {
            name == self.text
        }
    }
}

impl fmt::Display for InterfacePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wildcard = if self.is_prefix { "*" } else { "" };
        write!(formatter, "{}{wildcard}", self.text)
    }
}

impl FromText for InterfacePattern {
    const EXPECTED: &'static str = "a device name in quotes, such as \"eth0\" or \"veth*\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(format!(
                "\"{text}\" has a * before its end; only a final one is a wildcard, as in \"veth*\""
            ));
        }
        // As `dev_valid_name` of net/core/dev.c.
        let is_forbidden = |letter: char| letter.is_whitespace() || matches!(letter, '/' | ':');
        let is_empty = name.is_empty() && !is_prefix;
        if is_empty
            || name.len() > LONGEST
            || name.contains(is_forbidden)
            || [".", ".."].contains(&name)
        {
            return Err(format!(
                "\"{text}\" is not the name of a network device; write one such as \"eth0\", or the begin of several such as \"veth*\""
            ));
        }
        Ok(Self {
            text: name.to_owned(),
            is_prefix,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_final_wildcard_matches_further_letters() {
        let matches =
            |text: &str, name: &str| InterfacePattern::from_text(text).unwrap().matches(name);
        assert!(matches("eth0", "eth0") && !matches("eth0", "eth01"));
        assert!(matches("veth*", "veth") && matches("veth*", "veth1a2b"));
        assert!(!matches("veth*", "xveth1"));
        assert!(matches("*", "eth0"));
        for text in ["*", "veth*", "eth0.100"] {
            let pattern = InterfacePattern::from_text(text).unwrap();
            assert_eq!(pattern.to_string(), text);
        }
    }
}
