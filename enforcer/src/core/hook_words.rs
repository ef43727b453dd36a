//! Hooks as their words in JSON, for serde's `with`.

use enforcer_common::Hook;
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

/// Writes the words of `hooks`.
///
/// # Errors
/// Those of the serializer.
pub(crate) fn serialize<S: Serializer>(hooks: &[Hook], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(hooks.iter().map(|hook| hook.word()))
}

/// Reads the words of hooks.
///
/// # Errors
/// For a word that no hook of this version has, so that it counts neither as attached nor as missing; and those of the deserializer.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Hook>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    let hooks = words.iter().map(|word| {
        let hook = Hook::CGROUP.into_iter().find(|hook| hook.word() == word);
        hook.ok_or_else(|| D::Error::custom(format_args!("unknown hook `{word}`")))
    });
    hooks.collect()
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Hooks(#[serde(with = "super")] Vec<Hook>);

    #[test]
    fn words_are_read_as_they_were_written() {
        let hooks = Hooks(Hook::CGROUP.to_vec());
        let json = serde_json::to_string(&hooks).unwrap();
        assert_eq!(
            json,
            r#"["egress","connect4","connect6","sendmsg4","sendmsg6"]"#
        );
        assert_eq!(serde_json::from_str::<Hooks>(&json).unwrap(), hooks);
    }

    #[test]
    fn an_unknown_word_is_an_error() {
        let error = serde_json::from_str::<Hooks>(r#"["egress","xdp"]"#).unwrap_err();
        assert!(error.to_string().contains("unknown hook `xdp`"), "{error}");
    }
}
