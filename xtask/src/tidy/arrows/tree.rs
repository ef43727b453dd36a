//! The modules of a crate as a tree, and the file in which a path ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::source::{self, Import, Module};

/// How many imports may follow one another on the way to an item.
const MAX_DEPTH: usize = 16;

/// One arrow: the first file uses an item of the second.
pub(super) type Arrows = BTreeMap<(PathBuf, PathBuf), String>;

/// The modules below one `lib.rs` or `main.rs`.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    file: PathBuf,
    parent: usize,
    children: BTreeMap<String, usize>,
    module: Module,
}

/// Where a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Module(usize),
    /// An item of this module.
    Item(usize),
}

impl Tree {
    /// Reads all files that are reached from `root`.
    ///
    /// # Errors
    /// When a file is missing or not Rust.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        let dir = root.parent().unwrap_or(Path::new("")).to_owned();
        tree.add_file(root, &dir, 0)?;
        Ok(tree)
    }

    fn add_file(&mut self, file: &Path, dir: &Path, parent: usize) -> Result<usize> {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let module = source::read(&text).with_context(|| file.display().to_string())?;
        self.add(module, file, dir, parent)
    }

    fn add(&mut self, mut module: Module, file: &Path, dir: &Path, parent: usize) -> Result<usize> {
        let (files, inline) = (
            std::mem::take(&mut module.files),
            std::mem::take(&mut module.inline),
        );
        let node = self.nodes.len();
        self.nodes.push(Node {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            module,
        });
        for name in files {
            let mut child = dir.join(&name).with_extension("rs");
            if !child.exists() {
                child = dir.join(&name).join("mod.rs");
            }
            let added = self.add_file(&child, &dir.join(&name), node)?;
            self.nodes[node].children.insert(name, added);
        }
        for (name, module) in inline {
            let added = self.add(module, file, &dir.join(&name), node)?;
            self.nodes[node].children.insert(name, added);
        }
        Ok(node)
    }

    /// All arrows between files, each with a path that makes it.
    pub(super) fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (from, node) in self.nodes.iter().enumerate() {
            let mut add = |to: usize, path: &[String]| {
                let target = &self.nodes[to].file;
                if *target != node.file {
                    let arrow = (node.file.clone(), target.clone());
                    arrows.entry(arrow).or_insert_with(|| path.join("::"));
                }
            };
            for Import { path, exported, .. } in &node.module.imports {
                if let Some(End::Item(to)) = self.resolve(from, path, 0)
                    && !(*exported && self.is_below(to, from))
                {
                    add(to, path);
                }
            }
            for path in &node.module.paths {
                if let Some(End::Item(to)) = self.resolve(from, path, 0) {
                    add(to, path);
                }
            }
        }
        arrows
    }

    /// First segments of all paths: crates are among them.
    pub(super) fn roots(&self) -> BTreeSet<(&Path, &str)> {
        let mut roots = BTreeSet::new();
        for node in &self.nodes {
            let imports = node.module.imports.iter().map(|import| &import.path);
            let paths = imports.chain(&node.module.paths);
            let first = paths.filter_map(|path| path.first().map(String::as_str));
            roots.extend(first.map(|first| (node.file.as_path(), first)));
        }
        roots
    }

    fn is_below(&self, mut node: usize, ancestor: usize) -> bool {
        while node != ancestor && node != 0 {
            node = self.nodes[node].parent;
        }
        node == ancestor
    }

    fn resolve(&self, from: usize, path: &[String], depth: usize) -> Option<End> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.follow(0, rest, depth),
            "self" => self.follow(from, rest, depth),
            "super" => {
                let parent = self.nodes[from].parent;
                if rest.first().is_some_and(|next| next == "super") {
                    self.resolve(parent, rest, depth)
                } else {
                    self.follow(parent, rest, depth)
                }
            }
            _ => self.follow(from, path, depth),
        }
    }

    fn follow(&self, node: usize, path: &[String], depth: usize) -> Option<End> {
        let Some((name, rest)) = path.split_first() else {
            return Some(End::Module(node));
        };
        let Node {
            children, module, ..
        } = &self.nodes[node];
        if let Some(child) = children.get(name) {
            return self.follow(*child, rest, depth);
        }
        if module.items.contains(name) {
            return Some(End::Item(node));
        }
        if depth == MAX_DEPTH {
            return None;
        }
        let named = |import: &&Import| import.name.as_ref() == Some(name);
        if let Some(import) = module.imports.iter().find(named) {
            return match self.resolve_import(node, import, depth)? {
                End::Module(module) => self.follow(module, rest, depth + 1),
                item @ End::Item(_) => Some(item),
            };
        }
        let mut globs = module.imports.iter().filter(|import| import.name.is_none());
        globs.find_map(|glob| match self.resolve_import(node, glob, depth)? {
            End::Module(module) => self.follow(module, path, depth + 1),
            End::Item(_) => None,
        })
    }

    /// An import that starts with its own name (`use log;`) is of another crate.
    fn resolve_import(&self, node: usize, import: &Import, depth: usize) -> Option<End> {
        if import.name.as_ref() == import.path.first() {
            return None;
        }
        self.resolve(node, &import.path, depth + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The arrows of a crate of these files, by file name.
    fn arrows(name: &str, files: &[(&str, &str)]) -> Vec<(String, String)> {
        let dir = std::env::temp_dir().join(format!("tidy-{name}-{}", std::process::id()));
        for (file, text) in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = Tree::read(&dir.join("lib.rs"));
        fs::remove_dir_all(&dir).unwrap();
        let short = |path: &Path| path.strip_prefix(&dir).unwrap().display().to_string();
        let arrows = tree.unwrap().arrows();
        arrows
            .keys()
            .map(|(from, to)| (short(from), short(to)))
            .collect()
    }

    fn pair(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn a_parent_that_reexports_is_no_arrow_and_its_users_point_to_the_child() {
        let found = arrows(
            "reexport",
            &[
                ("lib.rs", "pub mod a; mod b;"),
                ("a.rs", "mod inner; pub use self::inner::X;"),
                ("a/inner.rs", "pub struct X;"),
                ("b.rs", "use crate::a; fn f() -> a::X { a::X }"),
            ],
        );
        assert_eq!(found, [pair("b.rs", "a/inner.rs")]);
    }

    #[test]
    fn a_parent_and_a_child_that_use_each_other_are_two_arrows() {
        let found = arrows(
            "circle",
            &[
                ("lib.rs", "mod a;"),
                (
                    "a.rs",
                    "mod inner; pub use inner::X; pub const N: X = inner::x();",
                ),
                ("a/inner.rs", "use super::N; pub struct X; pub fn x() {}"),
            ],
        );
        assert_eq!(
            found,
            [pair("a/inner.rs", "a.rs"), pair("a.rs", "a/inner.rs")]
        );
    }

    #[test]
    fn names_that_the_parent_imports_lead_to_their_file() {
        let found = arrows(
            "import",
            &[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", "use crate::b::Y as Z; mod inner { use super::Z; }"),
                ("b.rs", "use std::fmt; pub struct Y;"),
            ],
        );
        assert_eq!(found, [pair("a.rs", "b.rs")]);
    }
}
