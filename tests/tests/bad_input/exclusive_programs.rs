//! Another agent's exclusively attached program is reported with a fix.

use std::process;

use anyhow::{Context as _, Result};
use lab::{
    Lab,
    bpf::{AttachPoint, Exclusive, Program},
    fixtures::{
        enforcer::{Enforcer, binary},
        process::{Finished, run},
    },
};
use serde_json::Value;

use crate::MINUTE;

/// `return 1`: allows every packet.
const ALLOW: [u64; 2] = [0x1_0000_00b7, 0x95];
const NAME: &str = "other_agent";

#[test]
fn an_exclusive_program_above_the_scope_is_reported_with_its_owner() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let above = lab.cgroup().path();
    assert_eq!(finding(&enforcer)?["outcome"], "ok");

    let program = Program::load_as(NAME, AttachPoint::Egress, &ALLOW)?;
    let id = program.id()?;
    let attached = Exclusive::attach(program, AttachPoint::Egress, above)?;
    let named = format!(
        "{} runs the program {NAME} (id {id}) exclusively at egress",
        above.display()
    );
    let detach = format!("bpftool cgroup detach {} egress id {id}", above.display());
    let refused = enforcer.cli(["run"])?;
    let refusal = refused.refusal()?;
    for words in [&named, "BPF_F_ALLOW_MULTI", &detach] {
        assert!(refusal.contains(words), "no {words:?} in {refusal}");
    }

    let found = finding(&enforcer)?;
    assert_eq!(found["outcome"], "failed", "{found}");
    let message = found["message"].as_str().unwrap_or_default();
    let holder = format!("process {} (", process::id());
    for words in ["a start would fail", &named, &holder] {
        assert!(message.contains(words), "no {words:?} in {message}");
    }
    let fix = found["fix"].as_str().unwrap_or_default();
    assert!(fix.contains(&detach), "{fix}");

    drop(attached);
    assert_eq!(finding(&enforcer)?["outcome"], "ok");
    enforcer.run()
}

#[test]
fn without_cap_sys_admin_the_program_is_reported_by_id() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let program = Program::load_as(NAME, AttachPoint::Connect4, &ALLOW)?;
    let id = program.id()?;
    let scope = lab.device_cgroup().path();
    let _attached = Exclusive::attach(program, AttachPoint::Connect4, scope)?;
    // With the capabilities of the unit.
    let refused = as_the_service(&lab, &enforcer)?;
    let refusal = refused.refusal()?;
    let named = format!(
        "{} runs the program with id {id} exclusively at connect4",
        scope.display()
    );
    let show = format!("bpftool prog show id {id}");
    for words in [&named, "`egress-enforcer doctor` as root", &show] {
        assert!(refusal.contains(words), "no {words:?} in {refusal}");
    }
    Ok(())
}

#[test]
fn an_overridable_program_prevents_the_start_on_the_scope_but_not_above() -> Result<()> {
    let lab = Lab::start()?;
    let mut enforcer = Enforcer::prepare(&lab, &["eastus"], "")?;
    let program = || Program::load_as(NAME, AttachPoint::Egress, &ALLOW);
    let scope = lab.device_cgroup().path();
    let beside = Exclusive::attach_overridable(program()?, AttachPoint::Egress, scope)?;
    let refused = enforcer.cli(["run"])?;
    let refusal = refused.refusal()?;
    assert!(
        refusal.contains(&format!("{} runs the program {NAME}", scope.display())),
        "{refusal}"
    );
    assert_eq!(finding(&enforcer)?["outcome"], "failed");
    drop(beside);

    let _above =
        Exclusive::attach_overridable(program()?, AttachPoint::Egress, lab.cgroup().path())?;
    assert_eq!(finding(&enforcer)?["outcome"], "ok");
    enforcer.run()?;
    assert!(
        !lab.exfiltrate_curl(&lab.device())?.ok,
        "enforcement is in force"
    );
    Ok(())
}

/// The kernel allows another agent to attach above a cgroup with programs: enforcement continues, but the next start would fail.
#[test]
fn a_later_exclusive_program_does_not_end_enforcement_and_doctor_reports_it() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    assert_eq!(finding(&enforcer)?["outcome"], "ok");
    let program = Program::load_as(NAME, AttachPoint::Egress, &ALLOW)?;
    let _attached = Exclusive::attach(program, AttachPoint::Egress, lab.cgroup().path())?;
    assert_eq!(finding(&enforcer)?["outcome"], "failed");
    assert!(
        !lab.exfiltrate_curl(&lab.device())?.ok,
        "enforcement is in force"
    );
    lab.pull()?;
    Ok(())
}

fn as_the_service(lab: &Lab, enforcer: &Enforcer) -> Result<Finished> {
    let mut command = lab.network().device_env().command("setpriv");
    command
        .arg("--bounding-set=-all,+bpf,+net_admin,+perfmon,+chown")
        .arg(binary()?)
        .args(["run", "--config"])
        .arg(enforcer.config());
    run(command, MINUTE)
}

fn finding(enforcer: &Enforcer) -> Result<Value> {
    let report = enforcer.json(["doctor"])?;
    let mut findings = report["checks"].as_array().into_iter().flatten();
    let found = findings.find(|finding| finding["id"] == "exclusive cgroup programs");
    found
        .cloned()
        .with_context(|| format!("no finding: {report:#}"))
}
