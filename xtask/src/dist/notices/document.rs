//! The text file of notices: an index of the parts, then each text once.

use std::collections::BTreeMap;

const RULE: &str =
    "================================================================================";

/// A part of the program, and the licence that it declares.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) licence: String,
    pub(super) texts: Vec<Text>,
}

/// A file with a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) file: String,
    pub(super) text: String,
}

/// Writes the file's text.
pub(super) fn of(parts: &[Part]) -> String {
    // Texts that differ in white space alone are one.
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut texts: Vec<(&Text, Vec<&str>)> = Vec::new();
    let mut index = String::new();
    for part in parts {
        let mut shown = Vec::new();
        for text in &part.texts {
            let words = text.text.split_whitespace().collect::<Vec<_>>().join(" ");
            let number = *numbers.entry(words).or_insert_with(|| {
                texts.push((text, Vec::new()));
                texts.len()
            });
            texts[number - 1].1.push(&part.name);
            shown.push(number.to_string());
        }
        let shown = if shown.is_empty() {
            "no text in its archive".to_owned()
        } else {
            format!("texts {}", shown.join(", "))
        };
        index.push_str(&format!("{}: {}; {shown}\n", part.name, part.licence));
    }
    let mut document = format!(
        "Third-party software in egress-enforcer\n\n\
         The program is linked statically with the parts below. Each line gives a part, the licence that it declares\n\
         and the numbers of its notices and licence texts, which follow. Where a part offers several licences,\n\
         egress-enforcer uses it under any of them.\n\n{index}"
    );
    for (number, (text, users)) in texts.iter().enumerate() {
        document.push_str(&format!(
            "\n{RULE}\nText {} ({} of {})\n{RULE}\n\n{}\n",
            number + 1,
            text.file,
            users.join(", "),
            text.text.trim_matches('\n')
        ));
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, texts: &[&str]) -> Part {
        let text = |text: &&str| Text {
            file: "LICENSE".to_owned(),
            text: (*text).to_owned(),
        };
        Part {
            name: name.to_owned(),
            licence: "MIT".to_owned(),
            texts: texts.iter().map(text).collect(),
        }
    }

    #[test]
    fn a_text_of_several_parts_appears_once_and_names_them() {
        let parts = [
            part("one 1.0", &["Permission\n  granted", "other"]),
            part("two 2.0", &["Permission granted\n"]),
            part("three 3.0", &[]),
        ];
        let document = of(&parts);
        assert_eq!(document.matches("granted").count(), 1);
        for line in [
            "one 1.0: MIT; texts 1, 2\n",
            "two 2.0: MIT; texts 1\n",
            "three 3.0: MIT; no text in its archive\n",
            "Text 1 (LICENSE of one 1.0, two 2.0)\n",
        ] {
            assert!(document.contains(line), "no {line:?} in {document}");
        }
    }
}
