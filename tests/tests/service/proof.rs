//! `prove` makes real attempts, of which none leaves the device.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, ensure};
use enforcer_common::layout::VERSION;
use lab::{
    Lab, bpf,
    fixtures::{enforcer::Enforcer, process::run, tool_cache::ToolCache},
    topology::{addresses::STORAGE, packet_counter::PacketCounter},
};
use serde_json::Value;

const REGIONS: [&str; 1] = ["eastus"];
const FRAMES: &str = "[frames]\nmode = \"on\"\ninterfaces = [\"eth0\"]\n";
const LIMIT: Duration = Duration::from_secs(60);

/// The checks of a proof, and its exit code.
pub(crate) struct Proof {
    pub(crate) document: Value,
    pub(crate) code: Option<i32>,
}

impl Proof {
    pub(crate) fn of(enforcer: &Enforcer, more: &[&str]) -> Result<Self> {
        let mut arguments = vec!["prove", "--json"];
        arguments.extend(more);
        let finished = enforcer.cli(arguments)?;
        let document = serde_json::from_str(&finished.stdout).context(finished.stderr.clone())?;
        let code = finished.code();
        Ok(Self { document, code })
    }

    /// The checks whose id contains `words`, with their outcomes.
    fn outcomes(&self, words: &str) -> Vec<(String, String)> {
        self.fields(words, "outcome")
    }

    /// The messages of checks whose id contains `words`.
    pub(crate) fn messages(&self, words: &str) -> Vec<String> {
        let fields = self.fields(words, "message").into_iter();
        fields.map(|(_, message)| message).collect()
    }

    fn fields(&self, words: &str, field: &str) -> Vec<(String, String)> {
        let parts = self.document["parts"].as_array().into_iter().flatten();
        let checks = parts.flat_map(|part| part["checks"].as_array()).flatten();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let checks = checks.map(|check| (text(&check["id"]), text(&check[field])));
        checks.filter(|(id, _)| id.contains(words)).collect()
    }

    pub(crate) fn ensure_all(&self, words: &str, outcome: &str, least: usize) -> Result<()> {
        let found = self.outcomes(words);
        let is_as_expected = found.iter().all(|(_, found)| found == outcome);
        ensure!(
            found.len() >= least && is_as_expected,
            "{words}: {found:?} in {:#}",
            self.document
        );
        Ok(())
    }
}

fn no_cgroup_is_left(lab: &Lab) -> Result<()> {
    let left = lab.device_cgroup().path().join("egress-enforcer-prove");
    ensure!(!left.exists(), "{} is left", left.display());
    Ok(())
}

#[test]
fn enforcement_is_proved_and_nothing_leaves() -> Result<()> {
    let lab = Lab::start()?;
    let counter = PacketCounter::watch(lab.network())?;
    let mut enforcer = Enforcer::start(&lab, &REGIONS, FRAMES)?;
    enforcer.await_names()?;
    let proof = Proof::of(&enforcer, &[])?;
    assert_eq!(proof.code, Some(0), "{:#}", proof.document);
    for (words, least) in [
        ("storage: ", 9),
        ("another registry: ", 5),
        ("another server name", 1),
        ("a frame of a packet socket", 1),
        ("contoso.azurecr.io: TLS", 1),
        (".data.azurecr.io: TLS", 1),
        ("an unprotected address", 2),
        ("hooks", 1),
        ("programs", 1),
        ("protected set", 1),
        ("allowed addresses", 1),
        ("network devices", 1),
    ] {
        proof.ensure_all(words, "ok", least)?;
    }
    assert_eq!(counter.packets_to(&STORAGE)?, 0);
    no_cgroup_is_left(&lab)?;

    let events = enforcer.json(["events"])?;
    let caused = events.as_array().into_iter().flatten();
    let (caused, others): (Vec<_>, Vec<_>) =
        caused.partition(|event| event["unit"] == "egress-enforcer-prove");
    assert!(caused.len() >= 14, "{events:#}");
    assert!(
        others.iter().all(|event| event["verdict"] == "note"),
        "{events:#}"
    );
    let status = enforcer.status()?;
    assert_eq!(
        status["unit-denials"].as_array().map_or(0, Vec::len),
        0,
        "{status:#}"
    );
    let suggested = enforcer.cli(["suggest", "--denied"])?.success()?;
    assert!(!suggested.contains("egress-enforcer-prove"), "{suggested}");

    // The hooks stay in force without a daemon, and so does what they refuse.
    enforcer.kill()?;
    let proof = Proof::of(&enforcer, &[])?;
    assert_eq!(proof.code, Some(0), "{:#}", proof.document);
    proof.ensure_all("storage: TCP", "ok", 3)?;
    proof.ensure_all("an allowed name", "unknown", 1)?;
    assert_eq!(counter.packets_to(&STORAGE)?, 0);
    Ok(())
}

#[test]
fn a_missing_hook_and_audit_mode_are_no_proof() -> Result<()> {
    let lab = Lab::start()?;
    let counter = PacketCounter::watch(lab.network())?;
    let mut enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    enforcer.kill()?;
    let pins = lab.bpffs().join("pins").join(format!("v{VERSION}"));
    bpf::detach(&pins.join("link_connect4"))?;
    let proof = Proof::of(&enforcer, &[])?;
    assert_eq!(proof.code, Some(1));
    proof.ensure_all("hooks", "failed", 1)?;
    proof.ensure_all("programs", "failed", 1)?;
    // The SYN is refused as it leaves, which the caller does not see.
    let over = |words: &str| {
        proof
            .outcomes(words)
            .first()
            .map(|(_, outcome)| outcome.clone())
    };
    assert_eq!(over("storage: TCP over IPv4").as_deref(), Some("failed"));
    assert_eq!(over("storage: UDP over IPv4").as_deref(), Some("ok"));
    assert_eq!(counter.packets_to(&STORAGE)?, 0);

    enforcer.edit("[protect]", "mode = \"audit\"\n[protect]")?;
    enforcer.run()?;
    enforcer.await_names()?;
    let proof = Proof::of(&enforcer, &[])?;
    assert_eq!(proof.code, Some(1));
    proof.ensure_all("mode", "failed", 1)?;
    for (way, least) in [("TCP", 3), ("UDP", 3), ("ICMP", 2)] {
        proof.ensure_all(&format!("storage: {way}"), "failed", least)?;
    }
    // What is not refused stays in a network namespace of its own.
    assert_eq!(counter.packets_to(&STORAGE)?, 0);

    enforcer.kill()?;
    enforcer.cli(["unload"])?.success()?;
    let proof = Proof::of(&enforcer, &[])?;
    assert_eq!(proof.code, Some(1));
    proof.ensure_all("hooks", "failed", 1)?;
    assert_eq!(counter.packets_to(&STORAGE)?, 0);
    no_cgroup_is_left(&lab)
}

#[test]
fn the_page_is_signed_as_minisign_and_openssl_verify_it() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    enforcer.await_names()?;
    let dir = lab.dir();
    let page = dir.join("proof.html");
    let [key, public] = ["key.pem", "public.pem"].map(|name| dir.join(name));
    openssl(&["genpkey", "-algorithm", "ed25519", "-out"], &key, &[])?;
    openssl(
        &["pkey", "-pubout", "-in"],
        &key,
        &[Path::new("-out"), &public],
    )?;
    signed(&enforcer, &page, &key)?;
    let verify = ["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"];
    let signature = dir.join("proof.html.sig");
    let arguments = [Path::new("-in"), &page, Path::new("-sigfile"), &signature];
    openssl(&verify, &public, &arguments)?;

    let [key, public] = ["minisign.key", "minisign.pub"].map(|name| dir.join(name));
    let minisign =
        || -> Result<Command> { Ok(ToolCache::open()?.debian(&lab.device(), "usr/bin/minisign")) };
    let mut generate = minisign()?;
    generate
        .args(["-G", "-W", "-s"])
        .arg(&key)
        .arg("-p")
        .arg(&public);
    run(generate, LIMIT)?.success()?;
    signed(&enforcer, &page, &key)?;
    let verify = || -> Result<Command> {
        let mut verify = minisign()?;
        verify.args(["-V", "-m"]).arg(&page).arg("-p").arg(&public);
        Ok(verify)
    };
    run(verify()?, LIMIT)?.success()?;
    let text = fs::read_to_string(&page)?;
    assert!(text.contains("Enforcement is proved"), "{text}");
    fs::write(&page, text.replace("is proved", "is not proved"))?;
    assert!(!run(verify()?, LIMIT)?.status.success());
    Ok(())
}

fn signed(enforcer: &Enforcer, page: &Path, key: &Path) -> Result<()> {
    let page = page.to_str().context("a path")?;
    let key = key.to_str().context("a path")?;
    let proof = Proof::of(enforcer, &["--html", page, "--sign", key])?;
    ensure!(proof.code == Some(0), "{:#}", proof.document);
    Ok(())
}

fn openssl(arguments: &[&str], key: &Path, more: &[&Path]) -> Result<()> {
    let mut command = Command::new("openssl");
    command.args(arguments).arg(key).args(more);
    run(command, LIMIT)?.success().map(drop)
}
