//! Reads what a source file defines, imports and names, token by token. `#[cfg(test)]` items are left out.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The segments of a path, `crate`, `self` and `super` included.
pub(super) type Path = Vec<String>;

/// Keywords before the name of an item.
const ITEMS: [&str; 7] = ["fn", "struct", "enum", "trait", "type", "const", "static"];

/// What one module says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Module {
    /// Names of the modules that live in files of their own.
    pub(super) files: Vec<String>,
    /// Modules in this file, with their names.
    pub(super) inline: Vec<(String, Self)>,
    pub(super) items: BTreeSet<String>,
    pub(super) imports: Vec<Import>,
    /// Paths in code, macros and attributes; variables and fields are among them.
    pub(super) paths: BTreeSet<Path>,
}

/// One name that a `use` brings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// `None` for a glob.
    pub(super) name: Option<String>,
    pub(super) path: Path,
    /// Whether it is a `pub use`, of any visibility.
    pub(super) exported: bool,
}

/// Reads a file.
///
/// # Errors
/// When it is not Rust.
pub(super) fn read(text: &str) -> Result<Module> {
    let tokens: TokenStream = text
        .parse()
        .map_err(|error| anyhow!("not a Rust file: {error}"))?;
    let mut module = Module::default();
    Reader::new(tokens).items(&mut module);
    Ok(module)
}

struct Reader {
    tokens: Vec<TokenTree>,
    at: usize,
}

impl Reader {
    fn new(tokens: TokenStream) -> Self {
        Self {
            tokens: tokens.into_iter().collect(),
            at: 0,
        }
    }

    /// Reads the items of a module.
    fn items(&mut self, module: &mut Module) {
        let mut exported = false;
        while self.at < self.tokens.len() {
            match self.word(0).as_deref() {
                Some("pub") => {
                    exported = true;
                    let is_restricted = self.group(1, Delimiter::Parenthesis).is_some();
                    self.at += if is_restricted { 2 } else { 1 };
                    continue;
                }
                Some("mod") if self.word(1).is_some() => self.module(module),
                Some("macro_rules") => {
                    module.items.extend(self.word(2));
                    self.at += 3;
                }
                Some(_) if self.is_punct(1, '!') && self.group(2, Delimiter::Brace).is_some() => {
                    self.invocation(module);
                }
                Some(word) if ITEMS.contains(&word) => {
                    module
                        .items
                        .extend(self.word(1).filter(|name| name != "fn"));
                    self.at += 1;
                }
                _ => self.code(module, exported),
            }
            exported = false;
        }
    }

    fn module(&mut self, module: &mut Module) {
        let name = self.word(1).unwrap_or_default();
        if let Some(body) = self.group(2, Delimiter::Brace) {
            let mut inner = Module::default();
            Self::new(body).items(&mut inner);
            module.inline.push((name, inner));
        } else {
            module.files.push(name);
        }
        self.at += 3;
    }

    /// Reads the items that a macro at the level of items wraps.
    fn invocation(&mut self, module: &mut Module) {
        module.paths.extend(self.word(0).map(|name| vec![name]));
        if let Some(wrapped) = self.group(2, Delimiter::Brace) {
            Self::new(wrapped).items(module);
        }
        self.at += 3;
    }

    /// Reads one token of code, or all that belongs to it.
    fn code(&mut self, module: &mut Module, exported: bool) {
        if self.is_punct(0, '#') {
            self.attribute(module);
        } else if self.word(0).is_some_and(|word| word == "use") && !self.is_punct(1, '<') {
            self.at += 1;
            self.imports(&mut Vec::new(), exported, module);
        } else if self.word(0).is_some() {
            self.path(module);
        } else {
            if let Some(TokenTree::Group(group)) = self.tokens.get(self.at) {
                Self::new(group.stream()).block(module);
            }
            self.at += 1;
        }
    }

    fn block(mut self, module: &mut Module) {
        while self.at < self.tokens.len() {
            self.code(module, false);
        }
    }

    /// Reads the paths of an attribute, also those in strings; passes over an item for tests or documentation only.
    fn attribute(&mut self, module: &mut Module) {
        self.at += if self.is_punct(1, '!') { 2 } else { 1 };
        let Some(attribute) = self.group(0, Delimiter::Bracket) else {
            return;
        };
        self.at += 1;
        if is_left_out(&attribute) {
            self.pass_item();
            return;
        }
        for token in attribute {
            if let TokenTree::Group(group) = token {
                let literals = group.stream().into_iter();
                module.paths.extend(literals.filter_map(path_in_string));
                Self::new(group.stream()).block(module);
            }
        }
    }

    fn pass_item(&mut self) {
        let is_import = |reader: &Self| reader.word(0).is_some_and(|word| word == "use");
        let mut import = false;
        while self.at < self.tokens.len() {
            import |= is_import(self);
            let ends =
                self.is_punct(0, ';') || !import && self.group(0, Delimiter::Brace).is_some();
            self.at += 1;
            if ends {
                return;
            }
        }
    }

    /// Reads the tree of a `use` below `start`, up to the comma or semicolon behind it.
    fn imports(&mut self, start: &mut Path, exported: bool, module: &mut Module) {
        let mut path = start.clone();
        let mut name = None;
        while self.at < self.tokens.len() && !self.is_punct(0, ',') && !self.is_punct(0, ';') {
            if let Some(tree) = self.group(0, Delimiter::Brace) {
                let mut reader = Self::new(tree);
                while reader.at < reader.tokens.len() {
                    reader.imports(&mut path, exported, module);
                }
                path.clear();
            } else if self.is_punct(0, '*') {
                module.imports.push(Import {
                    name: None,
                    path: std::mem::take(&mut path),
                    exported,
                });
            } else if let Some(word) = self.word(0) {
                if word == "as" {
                    name = self.word(1);
                    self.at += 1;
                } else {
                    path.push(word);
                }
            }
            self.at += 1;
        }
        self.at += 1;
        // `{self}` names what stands before it.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        if let Some(last) = path.last().cloned() {
            module.imports.push(Import {
                name: Some(name.unwrap_or(last)),
                path,
                exported,
            });
        }
    }

    /// Reads a path, unless it is a lifetime, a field, a method or what follows a type.
    fn path(&mut self, module: &mut Module) {
        let is_part = self.follows('\'')
            || self.follows('.') != self.follows_twice('.')
            || self.follows_twice(':');
        let mut path: Path = self.word(0).into_iter().collect();
        self.at += 1;
        while self.is_punct(0, ':') && self.is_punct(1, ':') {
            let Some(word) = self.word(2) else {
                break;
            };
            path.push(word);
            self.at += 3;
        }
        let is_field = self.is_punct(0, ':') && !self.is_punct(1, ':');
        if !is_part && !(is_field && path.len() == 1) {
            module.paths.insert(path);
        }
    }

    fn follows(&self, sign: char) -> bool {
        self.at > 0 && self.is_punct_at(self.at - 1, sign)
    }

    fn follows_twice(&self, sign: char) -> bool {
        self.follows(sign) && self.at > 1 && self.is_punct_at(self.at - 2, sign)
    }

    fn word(&self, ahead: usize) -> Option<String> {
        match self.tokens.get(self.at + ahead) {
            Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
            _ => None,
        }
    }

    fn group(&self, ahead: usize, delimiter: Delimiter) -> Option<TokenStream> {
        match self.tokens.get(self.at + ahead) {
            Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group.stream()),
            _ => None,
        }
    }

    fn is_punct(&self, ahead: usize, sign: char) -> bool {
        self.is_punct_at(self.at + ahead, sign)
    }

    fn is_punct_at(&self, at: usize, sign: char) -> bool {
        matches!(self.tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
    }
}

/// Whether an attribute is a `cfg` that only tests or documentation meet.
fn is_left_out(attribute: &TokenStream) -> bool {
    let text = attribute.to_string().replace(' ', "");
    text == "cfg(doc)"
        || text.starts_with("cfg(") && text.contains("test") && !text.contains("not(")
}

/// The path that a string in an attribute names (`#[serde(with = "module::name")]`).
fn path_in_string(token: TokenTree) -> Option<Path> {
    let TokenTree::Literal(literal) = token else {
        return None;
    };
    let text = literal.to_string();
    let path = text.strip_prefix('"')?.strip_suffix('"')?;
    let is_path = path.contains("::")
        && path
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':'));
    is_path.then(|| path.split("::").map(str::to_owned).collect())
}

#[cfg(test)]
mod tests;
