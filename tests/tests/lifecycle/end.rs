//! The end of enforcement: unload, and ephemeral runs.

use anyhow::Result;
use lab::fixtures::fixture::{EVIL, Fixture};

use super::STREAM;

#[test]
fn only_unload_ends_enforcement_and_not_while_the_daemon_runs() -> Result<()> {
    let mut fixture = Fixture::start(STREAM, "")?;
    let refused = fixture.enforcer.cli(["unload"])?;
    assert!(
        refused.refusal()?.contains("the daemon runs"),
        "{refused:?}"
    );
    fixture.check_pull_and_exfiltration()?;

    fixture.enforcer.end(libc::SIGTERM)?;
    let ephemeral = fixture.enforcer.cli(["run", "--ephemeral"])?;
    assert!(ephemeral.refusal()?.contains("unload"), "{ephemeral:?}");
    fixture.check_pull_and_exfiltration()?;
    assert_eq!(fixture.counter.packets_to(&EVIL)?, 0);

    let ended = fixture.enforcer.cli(["unload"])?.success()?;
    assert!(ended.contains("ended"), "{ended}");
    assert!(!fixture.pins().exists());
    assert!(fixture.lab.exfiltrate_curl(&fixture.lab.device())?.ok);
    assert_eq!(fixture.enforcer.cli(["status"])?.code(), Some(1));
    let again = fixture.enforcer.cli(["unload"])?.success()?;
    assert!(again.contains("nothing was enforced"), "{again}");
    Ok(())
}

#[test]
fn an_ephemeral_run_ends_with_its_process_for_every_signal() -> Result<()> {
    let mut fixture = Fixture::prepare(STREAM, "")?;
    for signal in [libc::SIGKILL, libc::SIGINT, libc::SIGTERM] {
        let command = fixture.enforcer.command(["run", "--ephemeral"])?;
        fixture.enforcer.run_as(command)?;
        fixture.enforcer.await_names()?;
        fixture.check_pull_and_exfiltration()?;
        let status = fixture.enforcer.end(signal)?;
        assert_eq!(status.success(), signal != libc::SIGKILL, "{status}");
        let upload = fixture.lab.exfiltrate_curl(&fixture.lab.device())?;
        assert!(upload.ok, "after signal {signal}: {upload:?}");
        assert_eq!(fixture.enforcer.cli(["status"])?.code(), Some(1));
        assert_eq!(fixture.pins().exists(), signal == libc::SIGKILL);
        assert!(
            !fixture.enforcer.state().exists(),
            "an ephemeral run leaves no state"
        );
    }
    Ok(())
}
