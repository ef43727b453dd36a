//! Builds the kernel program into `OUT_DIR`, from which the binary includes it.
//!
//! It is compiled if `EGRESS_ENFORCER_BPF=build`, which `./x` sets. Otherwise a development build gets an empty object that fails to load
//! with a clear message, so that `cargo check` and clippy need no BPF toolchain, and a release build fails.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use aya_build::{Package, Toolchain};

const SWITCH: &str = "EGRESS_ENFORCER_BPF";
const PROGRAM: &str = "enforcer-ebpf";

fn main() -> Result<()> {
    println!("cargo::rerun-if-env-changed={SWITCH}");
    println!("cargo::rerun-if-changed=../enforcer-common");
    if env::var(SWITCH).as_deref() == Ok("build") {
        let is_next = env::var_os("CARGO_FEATURE_LAYOUT_NEXT").is_some();
        let package = Package {
            name: PROGRAM,
            root_dir: "../enforcer-ebpf",
            features: if is_next { &["layout-next"] } else { &[] },
            ..Package::default()
        };
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
        return aya_build::build_ebpf([package], Toolchain::Custom(&toolchain));
    }
    if is_release() {
        bail!(
            "a release build needs the kernel program: build with ./x, which sets {SWITCH}=build"
        );
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    fs::write(out.join(PROGRAM), []).context("cannot write the empty object")
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
