//! systemd-socket-proxyd(8), which connects to its own destination for whoever connects to it.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use enforcer_common::{Hook, Reason};
use lab::{
    fixtures::{process::Running, process_env::ProcessEnv},
    topology::cgroup::Cgroup,
};
use serde_json::json;
use test_data::client_hello::ClientHello;

use crate::{
    bypasses,
    client::{Client, Socket, hex},
    comparison::{Attempt, SendResult, Target, Technique, With},
    fixture::{Fixture, LOGIN},
    lane::{Lane, lane},
    places::Place,
    server::ANSWER,
    support,
};

/// Debian's path of the proxy.
const PROXY: &str = "/lib/systemd/systemd-socket-proxyd";
/// systemd-socket-activate(1), which listens and starts the proxy at the first connection.
const ACTIVATE: &str = "/usr/bin/systemd-socket-activate";
/// The cgroup of the proxies.
const CGROUP: &str = "proxy";
const IN_SCOPE: &str = "device/proxy";
const PORT: u16 = 9500;
/// Time for a proxy to listen.
const LISTENING_WITHIN: Duration = Duration::from_secs(20);
/// Seconds in which a proxy starts and answers, also on an emulated processor; one that is denied closes the connection at once.
const ANSWERED_WITHIN: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);

/// Proxies, and an unprivileged process in scope that asks them.
struct Proxies {
    client: Client,
    running: Vec<Running>,
    env: ProcessEnv,
    _cgroup: Cgroup,
}

impl Proxies {
    /// Starts a proxy for port 443 of the attempt's address, and connects to it.
    fn connect(&mut self, attempt: &Attempt) -> Result<Socket> {
        let port = PORT + attempt.number;
        let mut command = self.env.command(ACTIVATE);
        command.arg(format!("--listen={}:{port}", Ipv4Addr::LOCALHOST));
        // The port is behind the last colon; brackets would belong to the name.
        command.args([PROXY, &format!("{}:443", attempt.to)]);
        command.stderr(Stdio::null());
        self.running.push(Running::start(ACTIVATE, command)?);
        let deadline = Instant::now() + LISTENING_WITHIN;
        loop {
            let order = json!({
                "do": "connect", "to": Ipv4Addr::LOCALHOST, "port": port, "patience": ANSWERED_WITHIN,
            });
            let socket = self.client.try_open(order)?;
            if let Ok(socket) = socket {
                return Ok(socket);
            }
            ensure!(Instant::now() < deadline, "no proxy listens: {socket:?}");
            thread::sleep(PAUSE);
        }
    }

    /// Sends bytes through a proxy of the attempt's own, and waits for the server's answer.
    fn exchange(&mut self, attempt: &Attempt, data: &[u8]) -> Result<SendResult> {
        let socket = self.connect(attempt)?;
        let order = json!({"do": "send", "data": hex(data)});
        let sent = self.client.try_on(socket, order)?;
        if sent != SendResult::OneWay {
            return Ok(sent);
        }
        Ok(if self.client.is_answered(socket, ANSWER)? {
            SendResult::Answered
        } else {
            SendResult::Unanswered
        })
    }
}

fn technique(is_v4: bool) -> Technique<Proxies> {
    let (hook, family) = if is_v4 {
        (Hook::Connect4, 4)
    } else {
        (Hook::Connect6, 6)
    };
    Technique::new(
        format!("systemd-socket-proxyd to a storage account, IPv{family}"),
        (Target::Storage, is_v4),
        With::DeniedIn(IN_SCOPE, hook, Reason::Storage),
        |_: &Fixture, proxies: &mut Proxies, attempt| proxies.exchange(attempt, &attempt.marker),
    )
}

fn control() -> Technique<Proxies> {
    Technique::new(
        "systemd-socket-proxyd to the allowed name",
        (Target::Login, true),
        With::Passes,
        |_: &Fixture, proxies: &mut Proxies, attempt| {
            let mut hello = ClientHello::tls12(LOGIN);
            hello.session_id.clone_from(&attempt.marker);
            proxies.exchange(attempt, &hello.bytes())
        },
    )
}

/// Returns the techniques, if this system has the proxy.
pub(crate) fn techniques(fixture: &Fixture, place: Place) -> Result<Option<Box<dyn Lane>>> {
    let is_there = [PROXY, ACTIVATE].map(|path| Path::new(path).exists()) == [true; 2];
    if !support::report("systemd-socket-proxyd", is_there, &[])? {
        return Ok(None);
    }
    let (cgroup, env) = place.cgroup(fixture, CGROUP)?;
    let proxies = Proxies {
        client: Client::start_unprivileged(&fixture.host())?,
        running: Vec::new(),
        env,
        _cgroup: cgroup,
    };
    let techniques = vec![technique(true), technique(false), control()];
    Ok(Some(lane(&bypasses::SOCKETS, proxies, techniques)))
}
