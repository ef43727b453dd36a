//! The LSM hook `socket_setsockopt`: whether this kernel runs BPF programs there, and its type in the kernel's BTF.

use std::fs;
use std::ops::Range;

use aya::{Btf, Endianness};

/// The kernel's function at which such a program is loaded.
const FUNCTION: &str = "bpf_lsm_socket_setsockopt";
/// The hook, as loaders name it.
pub(super) const HOOK: &str = "socket_setsockopt";
/// The modules that the kernel asks, in order; programs can be attached without `bpf` among them, and never run.
const MODULES: &str = "/sys/kernel/security/lsm";
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

// The BTF type format (Documentation/bpf/btf.rst of Linux).
const HEADER: usize = 24;
const MAGIC: u16 = 0xeb9f;
const KIND_FWD: u32 = 7;
const KIND_FUNC: u32 = 12;
/// Bytes of a type before what depends on its kind.
const COMMON: usize = 12;

/// Returns why the kernel runs no BPF programs at LSM hooks; `None` if it does.
pub(super) fn obstacle() -> Option<String> {
    match fs::read_to_string(MODULES) {
        Err(error) => Some(format!("{MODULES} cannot be read: {error}")),
        Ok(modules) if modules.trim().split(',').any(|module| module == "bpf") => None,
        Ok(_) => Some(format!(
            "{MODULES} does not list bpf (kernel parameter lsm=)"
        )),
    }
}

/// Returns BTF with the type of the hook under the kernel's number for it. The kernel's whole BTF would take the loader tens of megabytes.
///
/// # Errors
/// Why it could not be found, as a sentence.
pub(super) fn reduced_btf() -> Result<Btf, String> {
    let whole = fs::read(VMLINUX).map_err(|error| format!("{VMLINUX}: {error}"))?;
    let found = function_id(&whole, FUNCTION);
    let id = found.ok_or_else(|| format!("{VMLINUX} has no function {FUNCTION}"))?;
    let reduced = with_function_at(id, FUNCTION);
    Btf::parse(&reduced, Endianness::default()).map_err(|error| error.to_string())
}

/// Returns the number of a function's type; `None` without it, or in another format.
fn function_id(btf: &[u8], function: &str) -> Option<usize> {
    if btf.get(..2)? != MAGIC.to_ne_bytes() {
        return None;
    }
    let header = usize::try_from(word(btf, 4)?).ok()?;
    let section = |at| -> Option<Range<usize>> {
        let offset = usize::try_from(word(btf, at)?).ok()?;
        let len = usize::try_from(word(btf, at + 4)?).ok()?;
        let start = header.checked_add(offset)?;
        Some(start..start.checked_add(len)?)
    };
    let types = btf.get(section(8)?)?;
    let strings = btf.get(section(16)?)?;
    let mut rest = types;
    for id in 1.. {
        let (name, info) = (word(rest, 0)?, word(rest, 4)?);
        let is_function = info >> 24 & 0x1f == KIND_FUNC;
        if is_function && string_at(strings, name) == Some(function.as_bytes()) {
            return Some(id);
        }
        rest = rest.get(COMMON + extra_len(info)?..)?;
    }
    None
}

/// Bytes of a type after the common ones; `None` for an unknown kind.
fn extra_len(info: u32) -> Option<usize> {
    let count = usize::try_from(info & 0xffff).ok()?;
    Some(match info >> 24 & 0x1f {
        // Pointers, forward declarations, type definitions, qualifiers, functions, floats, type tags.
        2 | 7..=12 | 16 | 18 => 0,
        // Integers, variables, declaration tags.
        1 | 14 | 17 => 4,
        // Arrays.
        3 => 12,
        // Structures, unions, data sections, 64-bit enumerations.
        4 | 5 | 15 | 19 => count * 12,
        // Enumerations, prototypes.
        6 | 13 => count * 8,
        _ => return None,
    })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn string_at(strings: &[u8], at: u32) -> Option<&[u8]> {
    let from = strings.get(usize::try_from(at).ok()?..)?;
    from.split(|byte| *byte == 0).next()
}

/// Returns BTF in which type `id` is a function of this name, and all before it are placeholders.
fn with_function_at(id: usize, function: &str) -> Vec<u8> {
    let mut types = Vec::with_capacity(id * COMMON);
    for other in 1..=id {
        let (name, kind) = if other == id {
            (1, KIND_FUNC)
        } else {
            (0, KIND_FWD)
        };
        for word in [name, kind << 24, 0_u32] {
            types.extend(word.to_ne_bytes());
        }
    }
    let strings = [b"\0", function.as_bytes(), b"\0"].concat();
    let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut btf = Vec::with_capacity(HEADER + types.len() + strings.len());
    btf.extend(MAGIC.to_ne_bytes());
    btf.extend([1, 0]);
    let header = u32::try_from(HEADER).unwrap_or(u32::MAX);
    for word in [header, 0, len(&types), len(&types), len(&strings)] {
        btf.extend(word.to_ne_bytes());
    }
    btf.extend(types);
    btf.extend(strings);
    btf
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type with `extra` bytes after the common ones.
    fn bytes_of(name: u32, kind: u32, count: u32, extra: usize) -> Vec<u8> {
        let words = [name, kind << 24 | count, 0];
        let common = words.into_iter().flat_map(u32::to_ne_bytes);
        common.chain(vec![0xff; extra]).collect()
    }

    /// BTF with these types, and the strings "", "other" and [`FUNCTION`].
    fn btf(types: &[Vec<u8>]) -> Vec<u8> {
        let strings = [b"\0other\0", FUNCTION.as_bytes(), b"\0"].concat();
        let types = types.concat();
        let words = [24, 0, types.len(), types.len(), strings.len()];
        let words = words
            .into_iter()
            .flat_map(|word| u32::try_from(word).unwrap().to_ne_bytes());
        let magic = MAGIC.to_ne_bytes().into_iter().chain([1, 0]);
        magic.chain(words).chain(types).chain(strings).collect()
    }

    #[test]
    fn the_function_is_found_behind_types_of_every_kind() {
        let mut types = Vec::new();
        for (kind, count, extra) in [
            (1, 0, 4),
            (2, 0, 0),
            (3, 0, 12),
            (4, 3, 36),
            (5, 0, 0),
            (6, 2, 16),
            (13, 5, 40),
            (15, 1, 12),
            (17, 0, 4),
            (19, 2, 24),
        ] {
            types.push(bytes_of(7, kind, count, extra));
        }
        types.push(bytes_of(1, KIND_FUNC, 0, 0));
        types.push(bytes_of(7, KIND_FUNC, 1, 0));
        assert_eq!(function_id(&btf(&types), FUNCTION), Some(12));
        types.pop();
        assert_eq!(function_id(&btf(&types), FUNCTION), None, "another's name");
    }

    #[test]
    fn an_unknown_kind_or_format_ends_the_search() {
        let function = bytes_of(7, KIND_FUNC, 0, 0);
        let types = [bytes_of(0, 31, 0, 0), function.clone()];
        assert_eq!(function_id(&btf(&types), FUNCTION), None);
        let mut other = btf(std::slice::from_ref(&function));
        other[0] = 0;
        assert_eq!(function_id(&other, FUNCTION), None);
        let whole = btf(&[function]);
        for len in 0..whole.len() - 1 {
            assert_eq!(function_id(&whole[..len], FUNCTION), None, "{len}");
        }
    }

    #[test]
    fn the_reduced_btf_has_the_function_under_the_same_number() {
        for id in [1, 2, 70_000] {
            let reduced = with_function_at(id, FUNCTION);
            assert_eq!(function_id(&reduced, FUNCTION), Some(id));
            assert!(Btf::parse(&reduced, Endianness::default()).is_ok());
        }
    }
}
