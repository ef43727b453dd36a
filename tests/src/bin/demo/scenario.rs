//! What is tried in every phase, and how it ended.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context, Result};
use lab::{
    CONTOSO_LOGIN, EVIL_LOGIN, Lab,
    fixtures::process::{Finished, run},
    servers::{azurite::HOST, nginx::Request},
};

use crate::environment::{Environment, Phase};

/// An unrelated web site.
const WEB_SITE: &str = "www.example.org";
/// Where contoso's login server is in eastus, and where it is while its replica in westus serves.
const EASTUS: [u8; 4] = [198, 51, 100, 10];
const WESTUS: [u8; 4] = [198, 51, 100, 70];

/// Something to try on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Pulls while the region eastus serves contoso.
    Pull,
    /// Pulls after the login server's address changed to one that it never had.
    PullMoved,
    /// Pulls while the region westus serves contoso.
    PullReplica,
    /// Uploads to the bad actor's storage account with the Azure SDK.
    Upload,
    /// Pushes to the bad actor's registry.
    Push,
    /// Fetches a page that has nothing to do with Azure.
    Web,
}

/// How a try ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It did what it does without an enforcer.
    Works(String),
    /// The kernel refused it with `EPERM`, and nothing reached the other side.
    Refused(String),
    /// Anything else.
    Failed(String),
}

impl Scenario {
    /// All, in the order in which they are tried.
    pub(crate) const ALL: [Self; 6] = [
        Self::Pull,
        Self::PullReplica,
        Self::PullMoved,
        Self::Upload,
        Self::Push,
        Self::Web,
    ];

    /// What is tried, in words.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Pull => "pull contoso's image",
            Self::PullReplica => "the same, its replica in westus serves",
            Self::PullMoved => "the same, at an address it never had before",
            Self::Upload => "upload a secret to the bad actor's account",
            Self::Push => "push the secret to evil.azurecr.io",
            Self::Web => "fetch a page of an unrelated web site",
        }
    }

    /// Whether it has to work in `phase`; else it has to be refused.
    pub(crate) fn is_expected_to_work(self, phase: Phase) -> bool {
        match self {
            Self::Pull | Self::PullReplica | Self::PullMoved | Self::Web => true,
            Self::Upload | Self::Push => phase == Phase::Before,
        }
    }

    /// Tries it.
    ///
    /// # Errors
    /// When the lab fails; a try that fails is an outcome.
    pub(crate) fn attempt(self, environment: &Environment) -> Result<Outcome> {
        match self {
            Self::Pull => pull(environment, EASTUS.into()),
            Self::PullReplica => pull(environment, WESTUS.into()),
            Self::PullMoved => pull(environment, environment.phase().fresh_address()),
            Self::Upload => upload(environment.lab()),
            Self::Push => push(environment.lab()),
            Self::Web => fetch(environment.lab()),
        }
    }
}

impl Outcome {
    /// Whether it is the one that was to be.
    pub(crate) fn is_as_expected(&self, is_expected_to_work: bool) -> bool {
        match self {
            Self::Works(_) => is_expected_to_work,
            Self::Refused(_) => !is_expected_to_work,
            Self::Failed(_) => false,
        }
    }

    /// In a word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Works(_) => "works",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "FAILED",
        }
    }

    /// How one knows.
    pub(crate) fn detail(&self) -> &str {
        match self {
            Self::Works(detail) | Self::Refused(detail) | Self::Failed(detail) => detail,
        }
    }
}

fn pull(environment: &Environment, address: IpAddr) -> Result<Outcome> {
    let lab = environment.lab();
    let noticed = environment.move_login_server(address)?;
    let earlier = lab.requests()?.len();
    let pulled = match lab.pull() {
        Ok(pulled) => pulled,
        Err(error) => return refused(&lab.requests()?[earlier..], CONTOSO_LOGIN, &error),
    };
    let kilobytes = pulled.bytes / 1000;
    Ok(match layers_from(&lab.requests()?[earlier..]) {
        Some(host) => Outcome::Works(format!(
            "manifest from {address}{noticed}, {} layers ({kilobytes} kB) through the 307 from {host}",
            pulled.layers
        )),
        None => Outcome::Failed("no data endpoint served a layer".to_owned()),
    })
}

/// The data endpoint that served layers, after the login server sent the client there.
fn layers_from(requests: &[Request]) -> Option<&str> {
    let redirected = |asked: &&Request| asked.status == 307 && asked.host == CONTOSO_LOGIN;
    requests.iter().find(redirected)?;
    let served = |asked: &&Request| asked.status == 200 && asked.host.contains(".data.");
    requests
        .iter()
        .find(served)
        .map(|asked| asked.host.as_str())
}

fn upload(lab: &Lab) -> Result<Outcome> {
    let earlier = lab.requests()?.len();
    let result = lab.exfiltrate_sdk(&lab.device())?;
    let requests = lab.requests()?;
    let milliseconds = result.seconds * 1000.0;
    let arrived = arrived(&requests[earlier..], HOST);
    Ok(match (result.ok, result.errno) {
        (true, _) if arrived > 0 => Outcome::Works(format!("the Azure SDK did, and {HOST} has it")),
        (false, Some(libc::EPERM)) if arrived == 0 => Outcome::Refused(format!(
            "the Azure SDK got EPERM ({}) after {milliseconds:.0} ms, and nothing arrived",
            nix::errno::Errno::EPERM.desc()
        )),
        _ => Outcome::Failed(format!("{result:?}, {arrived} requests arrived")),
    })
}

fn push(lab: &Lab) -> Result<Outcome> {
    let earlier = lab.requests()?.len();
    if let Err(error) = lab.push_to(EVIL_LOGIN, &lab.device()) {
        return refused(&lab.requests()?[earlier..], EVIL_LOGIN, &error);
    }
    let arrived = arrived(&lab.requests()?[earlier..], EVIL_LOGIN);
    Ok(if arrived > 0 {
        Outcome::Works(format!("skopeo did, and {EVIL_LOGIN} has it"))
    } else {
        Outcome::Failed("skopeo says it did, and nothing arrived".to_owned())
    })
}

fn fetch(lab: &Lab) -> Result<Outcome> {
    let mut curl = lab.device().command("curl");
    curl.args(["--disable", "--silent", "--show-error", "--fail"])
        .args(["--max-time", "10", "--noproxy", "*", "--cacert"])
        .arg(lab.certificates().ca())
        .arg(format!("https://{WEB_SITE}/"));
    let page: Finished = run(curl, Duration::from_secs(15)).context("run curl")?;
    Ok(if page.status.success() && page.stdout.contains("hello") {
        Outcome::Works(format!("curl got it from {WEB_SITE}"))
    } else {
        Outcome::Failed(page.stderr)
    })
}

/// The outcome of a client that failed with `error`: refused if the kernel said so and nothing arrived at `host`.
fn refused(requests: &[Request], host: &str, error: &anyhow::Error) -> Result<Outcome> {
    let error = format!("{error:#}");
    let arrived = arrived(requests, host);
    let says_so = error.to_lowercase().contains("operation not permitted");
    Ok(if says_so && arrived == 0 {
        Outcome::Refused(format!("skopeo got EPERM, and nothing arrived at {host}"))
    } else {
        Outcome::Failed(format!("{error}; {arrived} requests arrived"))
    })
}

fn arrived(requests: &[Request], host: &str) -> usize {
    let meant = requests.iter().filter(|asked| asked.host == host);
    meant.count()
}
