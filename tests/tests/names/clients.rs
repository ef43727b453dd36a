//! Registry clients, at least one for each TLS library.

use std::{ffi::OsStr, net::IpAddr, process::Command, thread, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use lab::{
    Lab,
    clients::tls_client::{Attempt, PULL, PUSH, Payload},
    fixtures::{
        process::{run, run_with_input},
        process_env::ProcessEnv,
    },
    servers::registry::IMAGE,
};

use crate::{BRIEFLY, LONG, attempt_all};

/// The client on Python's ssl module.
pub(crate) const PYTHON_CLIENT: &str = include_str!("../../lab/registry_client.py");
/// The client on TLS stacks that offer a post-quantum group.
const POST_QUANTUM_CLIENT: &str = include_str!("../../lab/post_quantum_client.py");
/// Time limit of a client that is expected to succeed.
const PATIENT: Duration = Duration::from_secs(30);
/// Time limit of a client that is expected to fail; an allowed one needs a tenth of it.
const IMPATIENT: Duration = Duration::from_secs(5);

/// Groups in order of preference; a client sends a key share of the first one, which the server does not support.
const RETRY_GROUPS: &str = "secp521r1:X25519";

/// A registry client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// curl, on OpenSSL.
    Curl,
    /// curl without TLS 1.3.
    CurlTls12,
    /// curl with a key share of an unsupported group, which leads to a HelloRetryRequest.
    CurlRetried,
    /// Python, on OpenSSL.
    Python,
    /// `openssl s_client`.
    OpenSsl,
    /// `openssl s_client` with a ClientHello in records of 512 bytes.
    OpenSslRecords,
    /// The same with a HelloRetryRequest.
    OpenSslRecordsRetried,
    /// `gnutls-cli`.
    GnuTls,
    /// skopeo, on Go's TLS.
    Skopeo,
    /// The lab's client, on rustls.
    Rustls,
    /// The lab's client with a ClientHello of post-quantum size.
    RustlsLarge,
    /// curl on BoringSSL with Chrome's ClientHello: X25519MLKEM768, a GREASE encrypted_client_hello, extensions in random order.
    Chrome,
    /// OpenSSL 4, which offers X25519MLKEM768 by default.
    OpenSslHybrid,
}

/// All clients.
pub(crate) const CLIENTS: [Client; 13] = [
    Client::Curl,
    Client::CurlTls12,
    Client::CurlRetried,
    Client::Python,
    Client::OpenSsl,
    Client::OpenSslRecords,
    Client::OpenSslRecordsRetried,
    Client::GnuTls,
    Client::Skopeo,
    Client::Rustls,
    Client::RustlsLarge,
    Client::Chrome,
    Client::OpenSslHybrid,
];

/// The request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Requests `/v2/` or a manifest.
    Pull,
    /// Starts an upload; curl, Python and skopeo also send data.
    Push,
}

/// The task of all clients.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) host: &'a str,
    /// The name's address.
    pub(crate) address: IpAddr,
    pub(crate) act: Act,
    /// Whether the clients are expected to succeed, which determines their time limit.
    pub(crate) is_allowed: bool,
}

/// Runs all clients concurrently; returns those with an unexpected result, and their errors.
pub(crate) fn unexpected(task: Task<'_>) -> Result<Vec<(Client, String)>> {
    let results: Vec<_> = thread::scope(|scope| {
        let running = CLIENTS.map(|client| (client, scope.spawn(move || client.run(task))));
        let ended = running.into_iter().map(|(client, thread)| {
            let result = thread.join().map_err(|_panic| anyhow!("a panic"))?;
            anyhow::Ok((client, result))
        });
        ended.collect::<Result<_>>()
    })?;
    let results = results.into_iter();
    Ok(results
        .filter(|(_, result)| result.is_ok() != task.is_allowed)
        .map(|(client, result)| match result {
            Ok(()) => (client, "succeeded".to_owned()),
            Err(error) => (client, format!("{error:#}")),
        })
        .collect())
}

impl Client {
    fn run(self, task: Task<'_>) -> Result<()> {
        let env = task.lab.device();
        let limit = if task.is_allowed { PATIENT } else { IMPATIENT };
        match self {
            Self::Curl => curl(task, &env, &[], limit),
            Self::CurlTls12 => curl(task, &env, &["--tls-max", "1.2"], limit),
            Self::CurlRetried => curl(task, &env, &["--curves", RETRY_GROUPS], limit),
            Self::Python => python(task, &env, limit),
            Self::OpenSsl => openssl(task, &env, &[""; 0], limit),
            Self::OpenSslRecords => openssl(task, &env, &in_records(&[]), limit),
            Self::OpenSslRecordsRetried => {
                openssl(task, &env, &in_records(&["-groups", RETRY_GROUPS]), limit)
            }
            Self::GnuTls => {
                let mut gnutls = task.lab.program(&env, "usr/bin/gnutls-cli");
                gnutls.arg("--x509cafile").arg(task.lab.certificates().ca());
                gnutls.arg(task.host);
                through_tls_pipe(gnutls, task, limit)
            }
            Self::Skopeo => skopeo(task, &env, limit),
            Self::Rustls => rustls(task, false),
            Self::RustlsLarge => rustls(task, true),
            Self::Chrome => hybrid("boringssl", task, &env, limit),
            Self::OpenSslHybrid => hybrid("openssl", task, &env, limit),
        }
    }
}

fn request(act: Act) -> &'static str {
    match act {
        Act::Pull => PULL,
        Act::Push => PUSH,
    }
}

fn curl(task: Task<'_>, env: &ProcessEnv, options: &[&str], limit: Duration) -> Result<()> {
    let (_method, path) = request(task.act).split_once(' ').context("a request")?;
    let mut curl = env.command("curl");
    curl.args(["--disable", "--silent", "--show-error", "--fail"])
        .args(options)
        .args(["--noproxy", "*", "--cacert"])
        .arg(task.lab.certificates().ca())
        .arg(format!("https://{}{path}", task.host));
    if task.act == Act::Push {
        curl.args(["--data-binary", "@-"]);
    }
    run_with_input(curl, "what the device knows", limit)?.success()?;
    Ok(())
}

fn openssl(
    task: Task<'_>,
    env: &ProcessEnv,
    options: &[impl AsRef<OsStr>],
    limit: Duration,
) -> Result<()> {
    let mut openssl = env.command("openssl");
    openssl
        .args(["s_client", "-quiet", "-verify_return_error", "-CAfile"])
        .arg(task.lab.certificates().ca())
        .args(options)
        .args(["-servername", task.host, "-connect"])
        .arg(format!("{}:443", task.host));
    through_tls_pipe(openssl, task, limit)
}

/// Returns options for records of the minimum size, and enough ALPN protocols for a ClientHello of several records.
fn in_records(options: &[&str]) -> Vec<String> {
    let fillers = (0..40).map(|number| format!("protocol-{number}"));
    let protocols: Vec<String> = ["http/1.1".to_owned()].into_iter().chain(fillers).collect();
    let mut all = ["-max_send_frag", "512", "-alpn"]
        .map(str::to_owned)
        .to_vec();
    all.push(protocols.join(","));
    all.extend(options.iter().map(|option| (*option).to_owned()));
    all
}

fn python(task: Task<'_>, env: &ProcessEnv, limit: Duration) -> Result<()> {
    let (word, wanted) = match task.act {
        Act::Pull => ("pull", "\"answered\": 1"),
        Act::Push => ("push", "202"),
    };
    let mut python = env.command("python3");
    python
        .args(["-c", PYTHON_CLIENT, word, task.host])
        .arg(task.lab.certificates().ca());
    let output = run(python, limit)?.success()?;
    ensure!(output.contains(wanted), "{output}");
    Ok(())
}

fn hybrid(stack: &str, task: Task<'_>, env: &ProcessEnv, limit: Duration) -> Result<()> {
    let (method, path) = request(task.act).split_once(' ').context("a request")?;
    let mut python = env.command(task.lab.cache().path("venv/bin/python"));
    python
        .args([
            "-B",
            "-c",
            POST_QUANTUM_CLIENT,
            stack,
            method,
            path,
            task.host,
        ])
        .arg(task.lab.certificates().ca());
    let output = run(python, limit)?.success()?;
    ensure!(output.starts_with("20"), "{output}");
    Ok(())
}

/// Sends a request through a program that sends its input over TLS.
fn through_tls_pipe(client: Command, task: Task<'_>, limit: Duration) -> Result<()> {
    let input = format!(
        "{} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        request(task.act),
        task.host
    );
    let output = run_with_input(client, &input, limit)?;
    ensure!(output.stdout.contains("HTTP/1.1 20"), "{output:?}");
    Ok(())
}

fn skopeo(task: Task<'_>, env: &ProcessEnv, limit: Duration) -> Result<()> {
    if task.act == Act::Push {
        return task.lab.push_within(limit, task.host, env);
    }
    let mut skopeo = task.lab.skopeo(env);
    skopeo
        .args(["inspect", "--raw", "--no-creds", "--cert-dir"])
        .arg(task.lab.certificates().cert_dir())
        .arg(format!("docker://{}/{IMAGE}", task.host));
    run(skopeo, limit)?.success()?;
    Ok(())
}

fn rustls(task: Task<'_>, large: bool) -> Result<()> {
    let exchanges = attempt_all(
        task.lab,
        vec![Attempt {
            to: (task.address, 443).into(),
            payload: Payload::Handshake {
                name: task.host.to_owned(),
                large,
                request: request(task.act).to_owned(),
            },
            cuts: Vec::new(),
            patience: if task.is_allowed { LONG } else { BRIEFLY },
        }],
    )?;
    let answer = exchanges
        .first()
        .and_then(|exchange| exchange.answer.as_deref());
    ensure!(
        answer.is_some_and(|line| line.starts_with("HTTP/1.1 20")),
        "{exchanges:?}"
    );
    Ok(())
}
