use super::*;

fn paths(text: &str) -> Vec<String> {
    let module = read(text).unwrap();
    module.paths.iter().map(|path| path.join("::")).collect()
}

fn imports(text: &str) -> Vec<String> {
    let shown = |import: &Import| {
        let export = if import.exported { "pub " } else { "" };
        let name = import.name.as_deref().unwrap_or("*");
        format!("{export}{} as {name}", import.path.join("::"))
    };
    read(text).unwrap().imports.iter().map(shown).collect()
}

#[test]
fn every_name_of_a_use_tree_is_an_import() {
    assert_eq!(
        imports("use a::{self, b::{C, D as E}, f::*};\npub(crate) use g::H;"),
        [
            "a as a",
            "a::b::C as C",
            "a::b::D as E",
            "a::f as *",
            "pub g::H as H"
        ]
    );
    assert_eq!(imports("fn f() { use super::x; }"), ["super::x as x"]);
}

#[test]
fn test_modules_are_left_out() {
    let text = "#[cfg(test)]\nuse a::{B};\n#[cfg(test)]\nmod tests { use c::D; }\n#[cfg(test)]\nmod more;\nmod kept;";
    let module = read(text).unwrap();
    assert!(module.imports.is_empty());
    assert_eq!(module.files, ["kept"]);
    assert_eq!(imports("#[cfg(not(test))]\nuse a::B;"), ["a::B as B"]);
}

#[test]
fn paths_are_found_in_types_calls_macros_and_attributes() {
    let found = paths(
        "#[serde(with = \"a::b\")] struct S { t: c::T } fn f<'l>(s: &'l S) -> d::R { s.e.g(vec![h::I]) + crate::j::<K>() }",
    );
    for path in ["a::b", "c::T", "d::R", "h::I", "crate::j", "K"] {
        assert!(found.contains(&path.to_owned()), "{path}: {found:?}");
    }
    for path in ["e", "g", "l", "t"] {
        assert!(!found.contains(&path.to_owned()), "{path}: {found:?}");
    }
}

#[test]
fn items_are_known_by_name_and_modules_by_where_they_are() {
    let module = read(
        "const fn f() {} pub struct S; macro_rules! m { () => {} } mod file; mod inner { struct T; }",
    )
    .unwrap();
    assert_eq!(
        module.items.into_iter().collect::<Vec<_>>(),
        ["S", "f", "m"]
    );
    assert_eq!(module.files, ["file"]);
    let (name, inner) = &module.inline[0];
    assert_eq!(name, "inner");
    assert!(inner.items.contains("T"));
}

#[test]
fn items_that_a_macro_wraps_are_items_and_those_of_its_rules_are_not() {
    let module = read(
        "word_enum! { pub enum Kind { A, B } } macro_rules! word_enum { () => { enum Inner {} } }",
    )
    .unwrap();
    assert!(module.items.contains("Kind"));
    assert!(!module.items.contains("Inner"));
}
