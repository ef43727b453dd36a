//! Removes trailing commas from JSON: some documented samples have them.

/// Replaces each comma before a closing bracket with a space. Everything else stays, so lines and columns do not change. Strings are not
/// changed.
pub(super) fn blank_trailing_commas(json: &mut [u8]) {
    let mut comma = None;
    let mut before = None;
    let (mut in_string, mut escaped) = (false, false);
    for index in 0..json.len() {
        let byte = json[index];
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b',' => {
                comma = (!matches!(before, None | Some(b'[' | b'{' | b',' | b':'))).then_some(index)
            }
            b']' | b'}' => {
                if let Some(trailing) = comma.take() {
                    json[trailing] = b' ';
                }
            }
            b'"' => (in_string, comma) = (true, None),
            _ => comma = None,
        }
        before = Some(byte);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn blanked(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        blank_trailing_commas(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_comma_before_a_closing_bracket_is_removed() {
        assert_eq!(blanked("[1, 2,\n]"), "[1, 2 \n]");
        assert_eq!(
            blanked(r#"{"a": [{"b": 1,},],}"#),
            r#"{"a": [{"b": 1 } ] }"#
        );
    }

    #[test]
    fn strings_are_not_changed() {
        for text in [r#"["a,]", ",}"]"#, r#"["\",]"]"#, r#"["\\", "]"]"#] {
            assert_eq!(blanked(text), text);
        }
        assert_eq!(blanked(r#"["\\",]"#), r#"["\\" ]"#);
    }

    #[test]
    fn other_misplaced_commas_stay_invalid() {
        for text in ["[,]", "{,}", "[1,,]", r#"{"a":,}"#, ",]"] {
            assert!(
                serde_json::from_str::<Value>(&blanked(text)).is_err(),
                "{text}"
            );
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\PC,\\]}\"\\\\\n]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map("[a-z,\\]}\"\\\\]{0,4}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn valid_json_is_unchanged(value in any_json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                prop_assert_eq!(blanked(&text), text);
            }
        }

        #[test]
        fn any_bytes_keep_their_length(mut bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let before = bytes.clone();
            blank_trailing_commas(&mut bytes);
            prop_assert_eq!(before.len(), bytes.len());
            prop_assert!(before.iter().zip(&bytes).all(|(old, new)| old == new || (*old == b',' && *new == b' ')));
        }
    }
}
