//! Clients of registries, at least one for each TLS library.

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

/// The tool on Python's own TLS.
pub(crate) const PYTHON_CLIENT: &str = include_str!("../../lab/registry_client.py");
/// The tool on TLS stacks that offer a post-quantum group.
const POST_QUANTUM_CLIENT: &str = include_str!("../../lab/post_quantum_client.py");
/// How long a client that is to succeed may take.
const PATIENT: Duration = Duration::from_secs(30);
/// How long a client that is to be refused may try; one that is let through takes a tenth of it.
const IMPATIENT: Duration = Duration::from_secs(5);

/// Groups, most liked first: a client brings a share of that one.
const RETRIED: &str = "secp521r1:X25519";

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// curl, on OpenSSL.
    Curl,
    /// The same, without TLS 1.3.
    CurlTls12,
    /// The same, with a key share of a group that the server lacks, so that this asks for another hello.
    CurlRetried,
    /// Python, on OpenSSL.
    Python,
    /// OpenSSL's own.
    OpenSsl,
    /// The same, with a ClientHello in records of 512 bytes.
    OpenSslRecords,
    /// The same, asked for another one.
    OpenSslRecordsRetried,
    /// GnuTLS' own.
    GnuTls,
    /// skopeo, on Go's TLS.
    Skopeo,
    /// The lab's, on rustls.
    Rustls,
    /// The same, with a ClientHello of post-quantum size.
    RustlsLarge,
    /// curl on BoringSSL, which says what Chrome says: X25519MLKEM768, an encrypted hello's place, extensions in any order.
    Chrome,
    /// OpenSSL 4, which offers X25519MLKEM768 unless told otherwise.
    OpenSslHybrid,
}

/// All of them.
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

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Asks a registry for something.
    Pull,
    /// Begins an upload; curls, Pythons and skopeo send data as well.
    Push,
}

/// What clients are sent for.
#[derive(Clone, Copy)]
pub(crate) struct Errand<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) host: &'a str,
    /// Where the name leads.
    pub(crate) address: IpAddr,
    pub(crate) act: Act,
    /// Whether they are expected to succeed, and so get the time.
    pub(crate) is_allowed: bool,
}

/// Sends all clients at once; those that did not fare as they were expected to, with what they said.
pub(crate) fn unexpected(errand: Errand<'_>) -> Result<Vec<(Client, String)>> {
    let fared: Vec<_> = thread::scope(|scope| {
        let running = CLIENTS.map(|client| (client, scope.spawn(move || client.run(errand))));
        let ended = running.into_iter().map(|(client, thread)| {
            let fared = thread.join().map_err(|_panic| anyhow!("a panic"))?;
            anyhow::Ok((client, fared))
        });
        ended.collect::<Result<_>>()
    })?;
    let fared = fared.into_iter();
    Ok(fared
        .filter(|(_, fared)| fared.is_ok() != errand.is_allowed)
        .map(|(client, fared)| match fared {
            Ok(()) => (client, "succeeded".to_owned()),
            Err(error) => (client, format!("{error:#}")),
        })
        .collect())
}

impl Client {
    fn run(self, errand: Errand<'_>) -> Result<()> {
        let env = errand.lab.device();
        let limit = if errand.is_allowed {
            PATIENT
        } else {
            IMPATIENT
        };
        match self {
            Self::Curl => curl(errand, &env, &[], limit),
            Self::CurlTls12 => curl(errand, &env, &["--tls-max", "1.2"], limit),
            Self::CurlRetried => curl(errand, &env, &["--curves", RETRIED], limit),
            Self::Python => python(errand, &env, limit),
            Self::OpenSsl => openssl(errand, &env, &[""; 0], limit),
            Self::OpenSslRecords => openssl(errand, &env, &in_records(&[]), limit),
            Self::OpenSslRecordsRetried => {
                openssl(errand, &env, &in_records(&["-groups", RETRIED]), limit)
            }
            Self::GnuTls => {
                let mut gnutls = errand.lab.program(&env, "usr/bin/gnutls-cli");
                gnutls
                    .arg("--x509cafile")
                    .arg(errand.lab.certificates().ca());
                gnutls.arg(errand.host);
                wrapped(gnutls, errand, limit)
            }
            Self::Skopeo => skopeo(errand, &env, limit),
            Self::Rustls => rustls(errand, false),
            Self::RustlsLarge => rustls(errand, true),
            Self::Chrome => hybrid("boringssl", errand, &env, limit),
            Self::OpenSslHybrid => hybrid("openssl", errand, &env, limit),
        }
    }
}

fn request(act: Act) -> &'static str {
    match act {
        Act::Pull => PULL,
        Act::Push => PUSH,
    }
}

fn curl(errand: Errand<'_>, env: &ProcessEnv, options: &[&str], limit: Duration) -> Result<()> {
    let (_method, path) = request(errand.act).split_once(' ').context("a request")?;
    let mut curl = env.command("curl");
    curl.args(["--disable", "--silent", "--show-error", "--fail"])
        .args(options)
        .args(["--noproxy", "*", "--cacert"])
        .arg(errand.lab.certificates().ca())
        .arg(format!("https://{}{path}", errand.host));
    if errand.act == Act::Push {
        curl.args(["--data-binary", "@-"]);
    }
    run_with_input(curl, "what the device knows", limit)?.success()?;
    Ok(())
}

fn openssl(
    errand: Errand<'_>,
    env: &ProcessEnv,
    options: &[impl AsRef<OsStr>],
    limit: Duration,
) -> Result<()> {
    let mut openssl = env.command("openssl");
    openssl
        .args(["s_client", "-quiet", "-verify_return_error", "-CAfile"])
        .arg(errand.lab.certificates().ca())
        .args(options)
        .args(["-servername", errand.host, "-connect"])
        .arg(format!("{}:443", errand.host));
    wrapped(openssl, errand, limit)
}

/// Options for records of the smallest size, and protocols enough for a ClientHello that needs more than one of them.
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

fn python(errand: Errand<'_>, env: &ProcessEnv, limit: Duration) -> Result<()> {
    let (word, wanted) = match errand.act {
        Act::Pull => ("pull", "\"answered\": 1"),
        Act::Push => ("push", "202"),
    };
    let mut python = env.command("python3");
    python
        .args(["-c", PYTHON_CLIENT, word, errand.host])
        .arg(errand.lab.certificates().ca());
    let output = run(python, limit)?.success()?;
    ensure!(output.contains(wanted), "{output}");
    Ok(())
}

fn hybrid(stack: &str, errand: Errand<'_>, env: &ProcessEnv, limit: Duration) -> Result<()> {
    let (method, path) = request(errand.act).split_once(' ').context("a request")?;
    let mut python = env.command(errand.lab.cache().path("venv/bin/python"));
    python
        .args([
            "-B",
            "-c",
            POST_QUANTUM_CLIENT,
            stack,
            method,
            path,
            errand.host,
        ])
        .arg(errand.lab.certificates().ca());
    let output = run(python, limit)?.success()?;
    ensure!(output.starts_with("20"), "{output}");
    Ok(())
}

/// A request through a program that wraps its input in TLS.
fn wrapped(client: Command, errand: Errand<'_>, limit: Duration) -> Result<()> {
    let input = format!(
        "{} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        request(errand.act),
        errand.host
    );
    let output = run_with_input(client, &input, limit)?;
    ensure!(output.stdout.contains("HTTP/1.1 20"), "{output:?}");
    Ok(())
}

fn skopeo(errand: Errand<'_>, env: &ProcessEnv, limit: Duration) -> Result<()> {
    if errand.act == Act::Push {
        return errand.lab.push_within(limit, errand.host, env);
    }
    let mut skopeo = errand.lab.skopeo(env);
    skopeo
        .args(["inspect", "--raw", "--no-creds", "--cert-dir"])
        .arg(errand.lab.certificates().cert_dir())
        .arg(format!("docker://{}/{IMAGE}", errand.host));
    run(skopeo, limit)?.success()?;
    Ok(())
}

fn rustls(errand: Errand<'_>, large: bool) -> Result<()> {
    let exchanges = attempt_all(
        errand.lab,
        vec![Attempt {
            to: (errand.address, 443).into(),
            payload: Payload::Handshake {
                name: errand.host.to_owned(),
                large,
                request: request(errand.act).to_owned(),
            },
            cuts: Vec::new(),
            patience: if errand.is_allowed { LONG } else { BRIEFLY },
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
