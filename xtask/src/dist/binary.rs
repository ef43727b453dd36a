//! Checks of the shipped program: static, small, and free of paths of the build machine.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{arch::Arch, env};

/// Program header type of the path of a dynamic loader (elf(5)).
const PT_INTERP: u32 = 3;

/// Checks the program at `path`, built from the workspace at `root`; `limit` is its maximum size in bytes.
///
/// # Errors
/// When it is for another machine, needs a dynamic loader, is too large, or names a directory of this machine.
pub(super) fn check(path: &Path, root: &Path, arch: Arch, limit: usize) -> Result<()> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let machine = match arch {
        Arch::Amd64 => 62,
        Arch::Arm64 => 183,
    };
    check_elf(&bytes, machine).with_context(|| format!("{}", path.display()))?;
    ensure!(
        bytes.len() < limit,
        "{}: {} bytes, at most {limit} allowed",
        path.display(),
        bytes.len()
    );
    let home = env::cargo_home()?;
    for place in [
        Some(root),
        home.parent().filter(|home| home.parent().is_some()),
    ] {
        if let Some(place) = place.and_then(Path::to_str) {
            no_trace(&bytes, &format!("{place}/"))?;
        }
    }
    println!("    {}: {} bytes, static", path.display(), bytes.len());
    Ok(())
}

fn check_elf(bytes: &[u8], machine: u16) -> Result<()> {
    let found = number(bytes, 18, 2).context("no ELF file")?;
    ensure!(
        found == u64::from(machine),
        "for machine {found}, not {machine}"
    );
    let table = number(bytes, 32, 8).context("no ELF file")?;
    let (size, count) = (number(bytes, 54, 2), number(bytes, 56, 2));
    let (Some(size), Some(count)) = (size, count) else {
        bail!("no ELF file");
    };
    for index in 0..count {
        let kind = number(bytes, usize::try_from(table + index * size)?, 4);
        ensure!(
            kind.context("a program header is cut off")? != u64::from(PT_INTERP),
            "it is not static: it names a dynamic loader"
        );
    }
    Ok(())
}

/// The little-endian number of `length` bytes at `offset`.
fn number(bytes: &[u8], offset: usize, length: usize) -> Option<u64> {
    let field = bytes.get(offset..offset.checked_add(length)?)?;
    Some(
        field
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

fn no_trace(bytes: &[u8], place: &str) -> Result<()> {
    let at = bytes
        .windows(place.len())
        .position(|window| window == place.as_bytes());
    let Some(at) = at else {
        return Ok(());
    };
    let end = bytes.len().min(at + 120);
    bail!(
        "the program names a directory of this machine: {}",
        String::from_utf8_lossy(&bytes[at..end]).escape_debug()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header for machine 62 with one program header of this type.
    fn elf(kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; 68];
        bytes[18] = 62;
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = 1;
        bytes[64] = kind;
        bytes
    }

    #[test]
    fn a_program_that_needs_a_loader_is_refused() {
        check_elf(&elf(1), 62).unwrap();
        assert!(
            check_elf(&elf(3), 62)
                .unwrap_err()
                .to_string()
                .contains("not static")
        );
        let shell = fs::read("/bin/sh").unwrap();
        let machine = if cfg!(target_arch = "x86_64") {
            62
        } else {
            183
        };
        assert!(check_elf(&shell, machine).is_err());
    }

    #[test]
    fn a_program_for_another_machine_is_refused() {
        assert!(check_elf(&elf(1), 183).is_err());
        assert!(check_elf(b"#!/bin/sh", 62).is_err());
    }

    #[test]
    fn a_directory_of_this_machine_is_found_wherever_it_is() {
        let place = "/somewhere/";
        no_trace(b"\0/egress-enforcer/enforcer/src/main.rs\0", place).unwrap();
        let message = no_trace(b"\0\x01at /somewhere/src/main.rs", place).unwrap_err();
        assert!(
            message.to_string().contains("/somewhere/src/main.rs"),
            "{message}"
        );
    }
}
