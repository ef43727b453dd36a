//! Builds of the `egress-enforcer` binary and of the tests' programs.

use std::{
    env::consts::ARCH,
    ffi::OsString,
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};

use crate::{
    arch::Arch,
    env, setup,
    step::{Step, output_of},
};

/// Sets up, builds and prints the path and size of the binary.
///
/// # Errors
/// When set-up or the build fails.
pub(crate) fn task(release: bool) -> Result<()> {
    setup::for_build()?;
    let binary = if release {
        release_binary()?
    } else {
        dev_binary()?
    };
    println!("{}: {} bytes", binary.display(), binary.metadata()?.len());
    Ok(())
}

/// Builds as for shipping, one static binary that runs on every distribution, and returns its path.
///
/// # Errors
/// When the build fails.
pub(crate) fn release_binary() -> Result<PathBuf> {
    Ok(release(ARCH)?.binary)
}

/// Results of a release build.
pub(crate) struct Release {
    /// The static binary.
    pub(crate) binary: PathBuf,
    /// The kernel programs that are inside it, as an ELF object.
    pub(crate) object: PathBuf,
}

/// The file of the object with the program of `explain --trace`, beside that with the others.
pub(crate) const TRACE: &str = "enforcer-ebpf-trace";
/// The file of the object with the programs of network devices, beside them.
pub(crate) const DEVICE: &str = "enforcer-ebpf-device";

impl Release {
    /// The directory of the binary, with the other programs.
    pub(crate) fn programs(&self) -> PathBuf {
        self.binary.with_file_name("")
    }

    /// Another ELF object of kernel programs, by its file name.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.object.with_file_name(name)
    }
}

/// Builds as for shipping, for machines of `arch` (as in `x86_64`).
///
/// # Errors
/// When the build fails.
pub(crate) fn release(arch: &str) -> Result<Release> {
    // Concurrent steps of the tests need it, and would overwrite each other's log.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let target = env::static_target(arch);
    let mut cargo = env::cargo();
    cargo
        .args(["build", "--locked", "--package", "enforcer", "--release"])
        .args(["--message-format=json-render-diagnostics", "--target"])
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", release_flags(arch)?);
    let title = format!("release build of egress-enforcer for {arch}");
    let log = Step {
        title: &title,
        usual: "3 min, seconds when unchanged",
        log: &format!("build-release-{arch}"),
    }
    .run(&mut cargo)?;
    let messages =
        fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let out = out_dir(&messages).context("cargo did not report where the kernel programs are")?;
    Ok(Release {
        binary: env::target().join(target).join("release/egress-enforcer"),
        object: out.join("enforcer-ebpf"),
    })
}

/// Compiler flags that keep out of the binary the directories of one machine, so that every machine makes the same, and, where the C compiler
/// links, the tables for unwinding.
fn release_flags(arch: &str) -> Result<OsString> {
    let about = output_of(env::command("rustc").args(["--version", "--verbose"]))?;
    let commit = about
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "))
        .context("rustc --version reports no commit")?;
    let sysroot = output_of(env::command("rustc").args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust");
    let mut renamed = vec![
        (library, format!("/rustc/{commit}")),
        (env::root().to_owned(), "/egress-enforcer".to_owned()),
    ];
    // One directory for each registry or mirror that crates came from.
    let sources = env::cargo_home()?.join("registry/src");
    for entry in sources.read_dir().into_iter().flatten() {
        renamed.push((entry?.path(), "/crates".to_owned()));
    }
    let mut flags = OsString::new();
    if arch == Arch::Amd64.kernel() {
        flags.push("-Clink-arg=-Wl,--no-eh-frame-hdr\x1f-Clink-arg=-Wl,-T,");
        flags.push(env::root().join("enforcer/no-unwind-tables.ld"));
    }
    for (from, to) in renamed {
        if !flags.is_empty() {
            flags.push("\x1f");
        }
        flags.push("--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    }
    Ok(flags)
}

/// Writes `program` without its symbols to `place`.
///
/// # Errors
/// When strip(1) fails.
pub(crate) fn strip(program: &Path, place: &Path) -> Result<()> {
    output_of(env::command("strip").arg("-o").args([place, program])).map(drop)
}

/// Output directory of the build script of the crate `enforcer`, from cargo's JSON messages.
pub(crate) fn out_dir(messages: &str) -> Option<PathBuf> {
    let line = messages.lines().find(|line| {
        line.contains("\"reason\":\"build-script-executed\"") && line.contains("/enforcer#")
    })?;
    let (_, rest) = line.split_once("\"out_dir\":\"")?;
    Some(rest.split_once('"')?.0.into())
}

/// Programs of the suites in `tests/tests` with their names, from cargo's JSON messages.
pub(crate) fn test_programs(messages: &str) -> Vec<(String, PathBuf)> {
    let text = |line: &str, key: &str| {
        let (_, rest) = line.split_once(&format!("\"{key}\":\""))?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let program = |line: &str| {
        let (_, target) = line.split_once("\"kind\":[\"test\"]")?;
        Some((text(target, "name")?, text(target, "executable")?.into()))
    };
    messages.lines().filter_map(program).collect()
}

/// Builds a version of the enforcer with other map layouts (`layout-next`), for the upgrade tests, and returns its path. It shares its
/// dependencies with the tests' own builds.
///
/// # Errors
/// When the build fails.
pub(crate) fn next_layout_binary() -> Result<PathBuf> {
    const NAME: &str = "egress-enforcer-next";
    let mut cargo = env::cargo();
    cargo
        .args(["build", "--locked", "--package", "enforcer"])
        .args(["--bin", NAME, "--features", "layout-next"])
        .args(["--target", &env::own_target()]);
    Step {
        title: "build of egress-enforcer with other layouts",
        usual: "1 min, seconds when unchanged",
        log: "build-next",
    }
    .run(&mut cargo)?;
    Ok(env::dev_dir(ARCH).join(NAME))
}

/// Builds the program `name` of the tests crate, and returns its path.
///
/// # Errors
/// When the build fails.
pub(crate) fn lab_program(name: &str) -> Result<PathBuf> {
    let title = format!("build of {name}");
    let mut cargo = env::cargo();
    cargo.args(["build", "--locked", "--package", "enforcer-tests"]);
    cargo.args(["--bin", name, "--target", &env::own_target()]);
    Step {
        title: &title,
        usual: "2 min, seconds when unchanged",
        log: "build-lab-program",
    }
    .run(&mut cargo)?;
    Ok(env::dev_dir(ARCH).join(name))
}

/// Sets up the lab, builds the enforcer and the program `name` of the tests crate, and replaces this process with that program.
///
/// # Errors
/// When set-up or a build fails, or the program cannot start.
pub(crate) fn become_lab_program(name: &str, args: &[String]) -> Result<()> {
    setup::for_lab()?;
    let enforcer = release_binary()?;
    let program = lab_program(name)?;
    let error = env::command(&program)
        .env("EGRESS_ENFORCER_BIN", enforcer)
        .args(args)
        .exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

fn dev_binary() -> Result<PathBuf> {
    Step {
        title: "build of egress-enforcer",
        usual: "1 min, seconds when unchanged",
        log: "build",
    }
    .run(
        env::cargo()
            .args(["build", "--locked", "--package", "enforcer"])
            .args(["--target", &env::own_target()]),
    )?;
    Ok(env::dev_dir(ARCH).join("egress-enforcer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_scripts_directory_is_found_in_cargos_messages() {
        let messages = r#"   Compiling enforcer v0.1.0
{"reason":"build-script-executed","package_id":"registry#anyhow@1.0.104","out_dir":"/target/anyhow/out"}
{"reason":"build-script-executed","package_id":"path+file:///src/enforcer#0.1.0","env":[],"out_dir":"/target/enforcer-1/out"}
"#;
        assert_eq!(out_dir(messages), Some("/target/enforcer-1/out".into()));
        assert_eq!(out_dir("nothing"), None);
    }

    #[test]
    fn every_suite_is_found_in_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"lab"},"executable":"/target/lab-1"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"names"},"executable":"/wrong"}
{"reason":"compiler-artifact","target":{"kind":["test"],"crate_types":["bin"],"name":"names"},"executable":"/target/names-1"}
{"reason":"build-finished","success":true}
"#;
        let names = ("names".to_owned(), PathBuf::from("/target/names-1"));
        assert_eq!(test_programs(messages), [names]);
    }
}
