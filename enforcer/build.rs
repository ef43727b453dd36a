//! Builds the kernel programs into `OUT_DIR`, from which the binary includes them: one object with those that are attached to cgroups and `explain`, one
//! with those of network devices, and one with the program that `explain --trace` loads.
//!
//! They are compiled if `EGRESS_ENFORCER_BPF=build`, which `./x` sets. Otherwise a development build gets an empty object that fails to load
//! with a clear message, so that `cargo check` and clippy need no BPF toolchain, and a release build fails.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use aya_build::{Package, Toolchain};
use object::build::elf::{Builder, SectionData};
use object::elf::SHT_STRTAB;

const SWITCH: &str = "EGRESS_ENFORCER_BPF";
const PROGRAM: &str = "enforcer-ebpf";
/// The object with the feature `trace`.
const TRACE: &str = "enforcer-ebpf-trace";
/// The object with the feature `device`.
const DEVICE: &str = "enforcer-ebpf-device";

fn main() -> Result<()> {
    println!("cargo::rerun-if-env-changed={SWITCH}");
    println!("cargo::rerun-if-changed=../enforcer-common");
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    if env::var(SWITCH).as_deref() == Ok("build") {
        let toolchain = env::var("RUSTUP_TOOLCHAIN").context("run cargo through rustup")?;
        // SAFETY: no other thread runs here. Allows `-Z build-std` in the nested cargo only: if set for the whole build,
        // it would rebuild the crates that depend on it, and make some of them use unstable features.
        unsafe { env::set_var("RUSTC_BOOTSTRAP", "1") };
        // The binary contains the line table, which names source files: without the directories of the build machine.
        for name in [
            "CARGO_UNSTABLE_TRIM_PATHS",
            "CARGO_PROFILE_RELEASE_TRIM_PATHS",
        ] {
            // SAFETY: as above.
            unsafe { env::set_var(name, "true") };
        }
        if !is_release() {
            check_overflow();
        }
        // In this order: all builds leave their object under the same name.
        build(&toolchain, &["trace"], &out.join(TRACE))?;
        build(&toolchain, &["device"], &out.join(DEVICE))?;
        return build(&toolchain, &[], &out.join(PROGRAM));
    }
    if is_release() {
        bail!(
            "a release build needs the kernel program: build with ./x, which sets {SWITCH}=build"
        );
    }
    for name in [PROGRAM, TRACE, DEVICE] {
        fs::write(out.join(name), []).context("cannot write an empty object")?;
    }
    Ok(())
}

/// Builds the kernel programs with these features to `object`.
fn build(toolchain: &str, features: &[&str], object: &Path) -> Result<()> {
    let mut features = features.to_vec();
    if env::var_os("CARGO_FEATURE_LAYOUT_NEXT").is_some() {
        features.push("layout-next");
    }
    let package = Package {
        name: PROGRAM,
        root_dir: "../enforcer-ebpf",
        features: &features,
        ..Package::default()
    };
    aya_build::build_ebpf([package], Toolchain::Custom(toolchain))?;
    let built = object.with_file_name(PROGRAM);
    let bytes = fs::read(&built).context("aya-build left no object")?;
    fs::write(object, without_dwarf(&bytes)?).context("cannot write an object")
}

/// Removes the debug information that neither the kernel nor the loader reads: four fifths of an object.
fn without_dwarf(object: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(object).context("cannot parse an object")?;
    for section in &mut builder.sections {
        let name = section.name.as_slice();
        section.delete = name.starts_with(b".debug_") || name.starts_with(b".rel.debug_");
    }
    builder.delete_orphans();
    // LLVM keeps the names of sections and symbols in one table, the builder in two.
    let names = builder.sections.add();
    names.name = ".shstrtab".into();
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder
        .write(&mut stripped)
        .context("cannot write an object")?;
    Ok(stripped)
}

fn is_release() -> bool {
    env::var("PROFILE").as_deref() == Ok("release")
}

/// Enables overflow checks in the release profile, the only one that aya-build knows: that is the development build. A panic is an endless
/// loop, so an object that loads has none that the verifier can reach. Assertions of `core` stay off: the verifier cannot prove those on
/// pointers unreachable.
fn check_overflow() {
    // SAFETY: no other thread runs here.
    unsafe { env::set_var("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true") };
}
