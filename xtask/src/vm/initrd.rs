//! A guest's first file system: Debian's userland, a kernel's modules, and what is to be run.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::kernel::Unpacked;
use crate::{
    arch::Arch,
    debian::{self, System},
    env,
};

/// A shell with the small tools (busybox), `ip` and `tc`, NAT, virtual servers, WireGuard, a proxy (systemd), and the interpreter of the lab's own tools.
const PACKAGES: &str =
    "--include=busybox-static,iproute2,ipvsadm,nftables,python3,systemd,wireguard-tools";
/// Files that no test reads: an emulated processor copies every byte.
const LEFT_OUT: [&str; 6] = [
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/zoneinfo/*",
    "/usr/share/perl/*",
    "/usr/share/perl5/*",
    "/usr/lib/python3/dist-packages/*",
];
/// What the lab links, the sockets that it tries, and the filters and devices of `tests/tests/bypass` take: a guest loads no module by itself.
const MODULES: [&str; 46] = [
    "virtio_pci",
    "virtio_net",
    "veth",
    "dummy",
    "sctp",
    "sch_fq",
    "udp_diag",
    "sch_ingress",
    "cls_bpf",
    "sch_tbf",
    "bridge",
    "macvlan",
    "ipvlan",
    "tun",
    "vxlan",
    "geneve",
    "sit",
    "ipip",
    "ip_gre",
    "ip6_gre",
    "ip6_tunnel",
    "fou",
    "fou6",
    "l2tp_core",
    "l2tp_netlink",
    "l2tp_eth",
    "l2tp_ip",
    "wireguard",
    "ip_vs",
    "ip_vs_rr",
    "nf_tables",
    "nft_chain_nat",
    "nft_nat",
    "xfrm_user",
    "xfrm_interface",
    "esp4",
    "esp6",
    "tls",
    "aes_generic",
    "ctr",
    "ghash_generic",
    "gcm",
    "seqiv",
    // The generator of its initial values.
    "jitterentropy_rng",
    "sha512_generic",
    "drbg",
];

/// A file of the suite: where it is here, and its name in `/suite`.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
}

/// Returns the directory of a guest's userland: the files of Debian's packages, none of them set up. It is of the suite that this
/// machine runs, so that programs built here find the C library that they were linked with.
///
/// # Errors
/// When the packages cannot be fetched.
pub(super) fn userland(arch: Arch) -> Result<PathBuf> {
    let mut options = vec![
        PACKAGES.to_owned(),
        "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr".to_owned(),
    ];
    options.extend(LEFT_OUT.map(debian::left_out));
    System {
        name: &format!("guest-{}", arch.debian()),
        suite: &host_suite(),
        arch,
        variant: "extract",
        options: &options,
        usual: "20 s",
    }
    .tree()
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
    let dir = debian::made(env::target().join("xtask"))?;
    let added = dir.join(format!("vm-{name}.root"));
    debian::remove(&added)?;
    lay_out(&added, kernel, programs, script)?;
    let path = dir.join(format!("vm-{name}.initrd"));
    let cannot = || format!("cannot write {}", path.display());
    let out = File::create(&path).with_context(cannot)?;
    // A kernel unpacks archives that follow one another.
    archive(userland, Links::Preserved, &out).with_context(cannot)?;
    archive(&added, Links::Followed, &out).with_context(cannot)?;
    debian::remove(&added)?;
    Ok(path)
}

/// Fills the directory `root` with what a run adds to the userland: files, and links to files that are elsewhere on this machine.
fn lay_out(root: &Path, kernel: &Unpacked, programs: &[Program], script: &str) -> Result<()> {
    let suite = debian::made(root.join("suite"))?;
    let source = env::root();
    link(&source.join("xtask/src/vm/init.sh"), &root.join("init"))?;
    fs::write(suite.join("run"), script).context("cannot write a guest's script")?;
    for Program { path, name } in programs {
        link(path, &suite.join(name))?;
    }
    kernel.write_modules(&MODULES, &debian::made(root.join("modules"))?)?;
    debian::made(root.join("busybox"))?;
    // The paths of the lab's tools are compiled into the tests.
    let tools = source.join("tests/lab/send_methods");
    link(
        &tools,
        &root.join(tools.strip_prefix("/").unwrap_or(&tools)),
    )
}

fn link(target: &Path, link: &Path) -> Result<()> {
    if let Some(dir) = link.parent() {
        debian::made(dir.to_owned())?;
    }
    symlink(target, link).with_context(|| format!("cannot link {}", link.display()))
}

/// What becomes of symbolic links.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Preserved,
    Followed,
}

/// Appends what is below `root` to `out`, as an archive that a kernel unpacks. Everything in it belongs to root.
fn archive(root: &Path, links: Links, out: &File) -> Result<()> {
    let (find, cpio) = match links {
        Links::Preserved => ("find", ""),
        Links::Followed => ("find -L", "--dereference"),
    };
    let script = format!(
        "{find} . -name __pycache__ -prune -o -print0 |
         cpio --null --create --format=newc --owner=0:0 --quiet {cpio}"
    );
    let status = Command::new("sh")
        .args(["-c", &script])
        .current_dir(root)
        .stdout(out.try_clone()?)
        .status()
        .context("cannot start cpio")?;
    ensure!(status.success(), "cpio cannot read {}", root.display());
    Ok(())
}

/// VERSION_CODENAME of os-release(5); Debian 12's where this is no Debian.
fn host_suite() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let is_debian = text.lines().any(|line| line == "ID=debian");
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    name.filter(|_| is_debian).unwrap_or("bookworm").to_owned()
}
