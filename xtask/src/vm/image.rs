//! A guest's first file system: Debian's userland, a kernel's modules, and what is to be run.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{cpio::Archive, kernel::Unpacked};
use crate::env;

const INIT: &str = include_str!("init.sh");
/// What the lab links and the sockets it tries take.
const MODULES: [&str; 5] = ["veth", "dummy", "sctp", "sch_fq", "udp_diag"];

/// A file of the suite: where it is here, and its name in `/suite`.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
}

/// Writes the file system for a guest named `name`, and returns its path. `script` is the shell's: it runs what is in
/// `/suite` and sets `result`.
///
/// # Errors
/// When something cannot be read or written.
pub(crate) fn write(
    name: &str,
    userland: &Path,
    kernel: &Unpacked,
    programs: &[Program],
    script: &str,
) -> Result<PathBuf> {
    let dir = env::target().join("xtask");
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let path = dir.join(format!("vm-{name}.initrd"));
    let cannot = || format!("cannot write {}", path.display());
    let mut out = BufWriter::new(File::create(&path).with_context(cannot)?);
    let mut base =
        File::open(userland).with_context(|| format!("cannot read {}", userland.display()))?;
    io::copy(&mut base, &mut out).with_context(cannot)?;
    add(Archive::new(&mut out), kernel, programs, script).with_context(cannot)?;
    Ok(path)
}

fn add(
    mut archive: Archive<impl io::Write>,
    kernel: &Unpacked,
    programs: &[Program],
    script: &str,
) -> Result<()> {
    for dir in ["dev", "etc", "busybox", "modules", "suite"] {
        archive.directory(dir)?;
    }
    // The kernel opens it for the first process, before anything is mounted.
    archive.character_device("dev/console", 5, 1)?;
    archive.program("init", INIT.as_bytes())?;
    archive.file("suite/run", script.as_bytes())?;
    for (number, module) in kernel.modules(&MODULES)?.iter().enumerate() {
        let name = format!("modules/{number:02}-{}.ko", module.name);
        archive.file(&name, &module.contents)?;
    }
    for Program { path, name } in programs {
        let contents = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        archive.program(&format!("suite/{name}"), &contents)?;
    }
    // Where the tests look for it: the path is compiled into them.
    let lab = env::root().join("tests/lab");
    archive.directories(&lab.join("send_methods"))?;
    archive.tree(
        &lab.join("send_methods"),
        &inside(&lab.join("send_methods")),
        &|path| path.ends_with("__pycache__"),
    )?;
    archive.close()
}

fn inside(path: &Path) -> String {
    path.to_string_lossy().trim_start_matches('/').to_owned()
}
