//! Kernel modules: found, decompressed, and put in the order of their needs, which each says itself.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};

use crate::env;

/// A module as `insmod` takes it.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) contents: Vec<u8>,
}

/// See [`super::Unpacked::modules`].
pub(super) fn in_order(dir: &Path, names: &[&str]) -> Result<Vec<Module>> {
    let files = files(dir)?;
    let mut found = Vec::new();
    for name in names {
        add(name, &files, &mut found)?;
    }
    Ok(found)
}

fn add(name: &str, files: &BTreeMap<String, PathBuf>, found: &mut Vec<Module>) -> Result<()> {
    let name = name.replace('-', "_");
    let Some(path) = files.get(&name) else {
        return Ok(());
    };
    if found.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let contents = decompressed(path)?;
    for needed in needs(&contents) {
        add(&needed, files, found)?;
    }
    found.push(Module { name, contents });
    Ok(())
}

/// All modules by name.
fn files(dir: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir() {
                dirs.push(entry.path());
            } else if let Some((stem, _)) = name.split_once(".ko") {
                files.insert(stem.replace('-', "_"), entry.path());
            }
        }
    }
    Ok(files)
}

fn decompressed(path: &Path) -> Result<Vec<u8>> {
    let program = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        Some(_) | None => {
            return fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let output = env::command(program)
        .args(["-d", "-c"])
        .arg(path)
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(
        output.status.success(),
        "{program} cannot decompress {}",
        path.display()
    );
    Ok(output.stdout)
}

/// From the section `.modinfo`: strings that end with a zero byte.
fn needs(module: &[u8]) -> Vec<String> {
    let strings = module.split(|byte| *byte == 0);
    let list = strings
        .filter_map(|string| string.strip_prefix(b"depends="))
        .next();
    let list = String::from_utf8_lossy(list.unwrap_or_default());
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_what_it_needs_and_only_once() {
        let dir = std::env::temp_dir().join(format!("modules-{}", std::process::id()));
        fs::create_dir_all(dir.join("net")).unwrap();
        for (file, needs) in [("net/a-b.ko", "c,d"), ("c.ko", "d"), ("d.ko", "")] {
            fs::write(dir.join(file), format!("\0name=x\0depends={needs}\0")).unwrap();
        }
        let order = in_order(&dir, &["a_b", "c", "not-there"]).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        let names: Vec<&str> = order.iter().map(|module| module.name.as_str()).collect();
        assert_eq!(names, ["d", "c", "a_b"]);
    }
}
