//! What commands print is what docs/schema.json says, to a validator of others.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lab::Lab;
use lab::fixtures::enforcer::Enforcer;
use lab::fixtures::process::run_with_input;
use lab::fixtures::process_env::ProcessEnv;
use lab::fixtures::tool_cache::ToolCache;
use serde_json::Value;

const CHECK: &str = include_str!("../../lab/check_schema.py");
const LIMIT: Duration = Duration::from_secs(60);
const MORE: &str = "[frames]\nmode = \"audit\"\ninterfaces = [\"eth0\"]\n[[exception]]\nreason = \"r\"\nunit = \"a.service\"\n\
     names = [\"a.blob.core.windows.net\"]\ncidrs = [\"203.0.113.0/24\"]\nuntil = 2099-01-31T00:00:00Z\n";

/// What commands printed, by their names in the schema.
#[derive(Default)]
struct Documents(BTreeMap<&'static str, Vec<Value>>);

impl Documents {
    fn add(&mut self, source: &'static str, document: Value) {
        self.0.entry(source).or_default().push(document);
    }

    fn print(&mut self, enforcer: &Enforcer, source: &'static str, more: &[&str]) -> Result<()> {
        let command = source.split(' ').chain(more.iter().copied());
        let printed = enforcer.json(command).context(source)?;
        self.add(source, printed);
        Ok(())
    }
}

#[test]
fn each_command_prints_what_the_schema_describes() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], MORE)?;
    let tags = lab.network().service_tags().to_owned();
    let copy = lab.dir().join("tags.json");
    fs::copy(&tags, &copy)?;
    enforcer.edit(&format!("{tags:?}"), &format!("{copy:?}"))?;
    enforcer.run()?;
    enforcer.await_names()?;
    assert!(!lab.exfiltrate_curl(&lab.device())?.ok);

    let mut all = Documents::default();
    all.add("GET /status", enforcer.status()?);
    let hour = ["--since", "1h"];
    for (source, more) in [
        ("status", &[][..]),
        ("events", &hour),
        ("events top", &[]),
        ("events verify", &[]),
        ("explain", &["contoso.azurecr.io", "--trace"]),
        ("explain", &["203.0.113.66", "--proto", "icmp"]),
        ("explain", &["--last"]),
        ("check", &[]),
        ("doctor", &[]),
        ("doctor --registry", &["contoso.azurecr.io"]),
        ("prove", &[]),
        ("report", &[]),
        ("suggest", &hour),
        ("top", &[]),
        ("endpoints", &[]),
        ("tags show", &[]),
        ("tags import", &[tags.to_str().context("a path")?]),
    ] {
        all.print(&enforcer, source, more)?;
    }
    enforcer.edit("203.0.113.0/24", "203.0.0.0/16")?;
    all.print(&enforcer, "check --diff", &[])?;
    enforcer.edit("until =", "mistake =")?;
    all.add("check (invalid)", enforcer.json(["check"])?);
    enforcer.edit("mistake =", "until =")?;
    enforcer.end(libc::SIGTERM)?;
    all.print(&enforcer, "status", &[])?;
    all.print(&enforcer, "unload", &[])?;

    let mut check = ProcessEnv::default().command(ToolCache::open()?.path("venv/bin/python"));
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema.json");
    check.args(["-c", CHECK]).arg(schema);
    let checked = run_with_input(check, &serde_json::to_string(&all.0)?, LIMIT)?.success()?;
    assert_eq!(checked.trim(), "22");
    Ok(())
}
