//! Idle connections to the control socket do not block other clients.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    thread,
};

use anyhow::{Context as _, Result, bail};
use lab::{
    Lab,
    fixtures::{
        enforcer::{Enforcer, binary},
        process::{Finished, run},
    },
};

use crate::MINUTE;

/// Two users without privileges.
const ANN: u32 = 65533;
const BOB: u32 = 65534;
const CONNECTIONS: usize = 600;
/// Upper bound of log lines about connections, over several minutes.
const MAX_LINES: usize = 100;

/// Data that a connection sends before it becomes idle.
const SENT: [&str; 4] = [
    "",
    "GET /status HTTP/1.1\r\nhost:",
    "GET /events HTTP/1.1\r\n\r\n",
    "GET /events?follow=1 HTTP/1.1\r\n\r\n",
];

#[test]
fn idle_connections_of_one_user_block_neither_root_nor_another_user() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    let socket = enforcer.runtime().join("control.sock");
    // Access as for members of the group, which may not exist on this machine.
    fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
    for sent in SENT {
        let connections_of_user = as_user(ANN, || connections(&socket, sent))?;
        enforcer
            .status()
            .with_context(|| format!("root, beside {sent:?}"))?;
        for user in [BOB, ANN] {
            status_of(&lab, &enforcer, user)?
                .success()
                .with_context(|| format!("user {user}, beside {sent:?}"))?;
        }
        drop(connections_of_user);
    }
    let log = enforcer.log();
    let count = log.matches("connections to the control socket").count();
    assert!(
        (1..MAX_LINES).contains(&count),
        "{count} lines: {log:.2000}"
    );
    Ok(())
}

#[test]
fn idle_connections_of_many_users_block_neither_root_nor_another_user() -> Result<()> {
    let lab = Lab::start()?;
    let enforcer = Enforcer::start(&lab, &["eastus"], "")?;
    let socket = enforcer.runtime().join("control.sock");
    fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
    // A user with subordinate ids (subuid(5)) has 65,536 of them.
    let mut connections_of_user = Vec::new();
    for user in 100_000..100_600 {
        connections_of_user.extend(as_user(user, || {
            Ok(vec![
                UnixStream::connect(&socket)?,
                UnixStream::connect(&socket)?,
            ])
        })?);
    }
    enforcer.status()?;
    status_of(&lab, &enforcer, BOB)?.success()?;
    let log = enforcer.log();
    let count = log.matches("connections to the control socket").count();
    assert!(
        (1..MAX_LINES).contains(&count),
        "{count} lines: {log:.2000}"
    );
    Ok(())
}

fn connections(socket: &Path, sent: &str) -> io::Result<Vec<UnixStream>> {
    let connection = |_| {
        let mut stream = UnixStream::connect(socket)?;
        // The daemon may have closed it already.
        drop(stream.write_all(sent.as_bytes()));
        Ok(stream)
    };
    (0..CONNECTIONS).map(connection).collect()
}

/// Runs `action` in a thread with the uid `user`.
fn as_user<T: Send>(user: u32, action: impl FnOnce() -> io::Result<T> + Send) -> Result<T> {
    let acting = || -> io::Result<T> {
        // SAFETY: setresuid(2) takes three integers; the system call, unlike the library's function, is for this thread alone.
        if unsafe { libc::syscall(libc::SYS_setresuid, user, user, user) } != 0 {
            return Err(io::Error::last_os_error());
        }
        action()
    };
    let Ok(outcome) = thread::scope(|scope| scope.spawn(acting).join()) else {
        bail!("the thread of user {user} panicked");
    };
    outcome.with_context(|| format!("as user {user}"))
}

/// Runs `egress-enforcer status` as `user`.
fn status_of(lab: &Lab, enforcer: &Enforcer, user: u32) -> Result<Finished> {
    let mut command = lab.network().device_env().command("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .args(["--regid=65534", "--clear-groups"])
        .arg(binary()?)
        .args(["status", "--config"])
        .arg(enforcer.config());
    run(command, MINUTE)
}
