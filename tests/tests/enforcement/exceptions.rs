//! Exceptions apply to one cgroup until their end, with or without a daemon.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use lab::{
    Lab,
    fixtures::{enforcer::Enforcer, process::run, process_env::ProcessEnv},
    topology::cgroup::Cgroup,
};

use crate::{MINUTE, REGIONS};

/// Duration of the exceptions.
const TERM: Duration = Duration::from_secs(20);
/// Tolerance around the end, in which an attempt can have either result.
const MARGIN: Duration = Duration::from_secs(1);

#[test]
fn an_exception_applies_to_its_cgroup_only_and_ends_on_time_without_a_daemon() -> Result<()> {
    let lab = Lab::start()?;
    let by_prefix = lab.device_cgroup().child("by-prefix")?;
    let by_name = lab.device_cgroup().child("by-name")?;
    let sibling = lab.device_cgroup().child("sibling")?;
    let [prefixed, named, other] =
        [&by_prefix, &by_name, &sibling].map(|cgroup| lab.device_in(cgroup));

    let mut enforcer = Enforcer::start(&lab, &REGIONS, "")?;
    for env in [&prefixed, &named, &other] {
        assert!(!connects(env)?, "denied before the exception");
    }
    let until = Timestamp::now() + TERM;
    let more = [
        exception(&by_prefix, "cidrs = [\"203.0.113.0/25\"]", until),
        exception(&by_name, "names = [\"evil.blob.core.windows.net\"]", until),
    ];
    enforcer.edit("[paths]", &format!("{}\n[paths]", more.concat()))?;
    enforcer.signal(libc::SIGHUP)?;
    enforcer.await_api_status("both exceptions are in force", TERM, |status| {
        status.exceptions.len() == 2
            && status
                .exceptions
                .iter()
                .flat_map(|exception| &exception.names)
                .any(|name| !name.addresses.is_empty())
    })?;
    assert!(lab.exfiltrate_curl(&named)?.ok, "the name is allowed");
    assert!(!lab.exfiltrate_curl(&other)?.ok, "for its cgroup only");

    enforcer.kill()?;
    let (mut allowed, mut denied) = (0, 0);
    while denied < 3 {
        let started = Timestamp::now();
        let found = [connects(&prefixed)?, connects(&named)?];
        assert!(!connects(&other)?, "the sibling stays denied");
        if Timestamp::now() + MARGIN < until {
            assert_eq!(found, [true; 2], "allowed until the end");
            allowed += 1;
        } else if started > until + MARGIN {
            assert_eq!(found, [false; 2], "denied after the end");
            denied += 1;
        }
    }
    assert!(allowed > 0, "the end came before the first attempt");
    Ok(())
}

fn exception(cgroup: &Cgroup, grants: &str, until: Timestamp) -> String {
    format!(
        "[[exception]]\nreason = \"a test\"\ncgroup = {:?}\n{grants}\nuntil = {until}\n",
        cgroup.path()
    )
}

/// Whether a connection to the bad actor's account succeeds.
fn connects(env: &ProcessEnv) -> Result<bool> {
    let mut bash = env.command("bash");
    bash.args(["-c", "exec 3<>/dev/tcp/203.0.113.66/443"]);
    Ok(run(bash, MINUTE)?.status.success())
}
