//! One visit: every step that a pull takes, up to the first byte of a blob.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue, RANGE};

use super::addresses::{Way, judge_answer};
use super::blob::{Redirect, judge_data, judge_reach, judge_redirect};
use super::challenge::Bearer;
use super::credentials::Credentials;
use super::door::{self, Door, judge_login, judge_token};
use super::known::Known;
use super::manifest::{self, Manifest, judge_manifest};
use super::reply::Answer;
use super::report::Report;
use super::target::{Image, Target};
use super::wire::Wire;
use super::{advice, blob};
use crate::daemon::Sources;
use crate::https::Url;
use crate::kernel::Check;
use crate::name::Name;

/// Indexes within indexes that are followed.
const MOST_MANIFESTS: usize = 3;
const BLOBS: &str = "whether they come from a dedicated data endpoint is unknown";

/// What is visited, and with what.
pub(super) struct Visit {
    pub(super) target: Target,
    pub(super) image: Option<Image>,
    pub(super) credentials: Option<Credentials>,
    pub(super) sources: Sources,
    pub(super) known: Known,
    pub(super) wire: Wire,
}

impl Visit {
    /// Goes as far as it gets, and tells `report`.
    ///
    /// # Errors
    /// Where the report cannot be written.
    pub(super) async fn make(&self, report: &mut Report) -> Result<()> {
        let ways = self.look_up(report).await?;
        let login = ways.get(&self.target.login).cloned().unwrap_or_default();
        let policy = self
            .known
            .judge_registry(&self.target, &self.regions(&login));
        report.tell(policy)?;
        let redirect = self.enter(report, &login).await?;
        let served = match redirect {
            Some(redirect) => {
                self.fetch(report, &redirect).await?;
                Some(redirect.host)
            }
            None => None,
        };
        self.reach_others(report, &ways, served.as_ref()).await?;
        self.tell_blobs_unknown(report)
    }

    /// Looks up all names; the way to each that has an address.
    async fn look_up(&self, report: &mut Report) -> Result<BTreeMap<Name, Way>> {
        let mut ways = BTreeMap::new();
        for (name, answer) in self.wire.resolve(self.known.names(&self.target)).await? {
            let (check, way) = judge_answer(&self.sources, &name, &answer);
            report.tell(check)?;
            if !way.addresses.is_empty() {
                ways.insert(name, way);
            }
        }
        Ok(ways)
    }

    /// From the login server's first answer to where a blob is.
    async fn enter(&self, report: &mut Report, login: &Way) -> Result<Option<Redirect>> {
        if login.addresses.is_empty() {
            return Ok(None);
        }
        let answer = self.ask(login, "/v2/", &[]).await?;
        let (check, door) = judge_login(&self.target, &answer);
        report.tell(check)?;
        match (&self.image, door) {
            (Some(_), Door::Shut) | (None, _) => Ok(None),
            (Some(image), Door::Open) => self.pull(report, login, image, None).await,
            (Some(image), Door::Token(bearer)) => {
                match self.token(report, login, image, &bearer).await? {
                    Some(token) => self.pull(report, login, image, Some(token)).await,
                    None => Ok(None),
                }
            }
        }
    }

    async fn token(
        &self,
        report: &mut Report,
        login: &Way,
        image: &Image,
        bearer: &Bearer,
    ) -> Result<Option<HeaderValue>> {
        let url = match bearer.token_url(&self.target.login, &image.repository) {
            Ok(url) => url,
            Err(why) => {
                report.tell(door::misled(&why))?;
                return Ok(None);
            }
        };
        let credentials = self.credentials.as_ref();
        let headers: Vec<_> = credentials
            .map(|credentials| (AUTHORIZATION, credentials.header()))
            .into_iter()
            .collect();
        let answer = self.wire.get(&url, &login.addresses, &headers).await;
        let (check, token) = judge_token(&self.target, credentials.is_some(), &answer);
        report.tell(check)?;
        let header = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
        header.transpose().context("the token cannot be sent")
    }

    /// From the manifest to the blob's place.
    async fn pull(
        &self,
        report: &mut Report,
        login: &Way,
        image: &Image,
        token: Option<HeaderValue>,
    ) -> Result<Option<Redirect>> {
        let mut headers: Vec<_> = token
            .map(|token| (AUTHORIZATION, token))
            .into_iter()
            .collect();
        let Some(config) = self.config_blob(report, login, image, &headers).await? else {
            return Ok(None);
        };
        headers.retain(|(name, _)| *name == AUTHORIZATION);
        let path = format!("/v2/{}/blobs/{config}", image.repository);
        let answer = self.ask(login, &path, &headers).await?;
        let migration = advice::migration(&self.target, &self.regions(login), &self.check(image));
        let (check, redirect) = judge_redirect(&self.target, &migration, &answer);
        report.tell(check)?;
        Ok(redirect)
    }

    /// The digest of the image's config blob.
    async fn config_blob(
        &self,
        report: &mut Report,
        login: &Way,
        image: &Image,
        token: &[(HeaderName, HeaderValue)],
    ) -> Result<Option<String>> {
        let mut headers = token.to_vec();
        headers.push((ACCEPT, HeaderValue::from_static(manifest::ACCEPT)));
        let mut reference = image.reference.clone();
        for _ in 0..MOST_MANIFESTS {
            let path = format!("/v2/{}/manifests/{reference}", image.repository);
            let answer = self.ask(login, &path, &headers).await?;
            let (check, found) =
                judge_manifest(&self.target, image, std::env::consts::ARCH, &answer);
            match found {
                Some(Manifest::Platform(digest)) => reference = digest,
                Some(Manifest::Config(digest)) => {
                    report.tell(check)?;
                    return Ok(Some(digest));
                }
                None => {
                    report.tell(check)?;
                    return Ok(None);
                }
            }
        }
        report.tell(manifest::too_deep(image))?;
        Ok(None)
    }

    /// Has the data endpoint serve the blob's first byte.
    async fn fetch(&self, report: &mut Report, redirect: &Redirect) -> Result<()> {
        let host = &redirect.host;
        report.tell(self.known.judge_endpoint(&self.target, host))?;
        let mut way = Way::default();
        for (name, answer) in self.wire.resolve(vec![host.clone()]).await? {
            let (check, found) = judge_answer(&self.sources, &name, &answer);
            way = found;
            // Names that are open are told already.
            if !check.is_ok() || !self.known.names(&self.target).contains(host) {
                report.tell(check)?;
            }
        }
        let range = [(RANGE, HeaderValue::from_static("bytes=0-0"))];
        let answer = self.wire.get(&redirect.url, &way.addresses, &range).await;
        report.tell(judge_data(host, &answer))?;
        Ok(())
    }

    /// Whether the data endpoints besides `served` answer: Azure sends this host to one replica at a time, and later to another.
    async fn reach_others(
        &self,
        report: &mut Report,
        ways: &BTreeMap<Name, Way>,
        served: Option<&Name>,
    ) -> Result<()> {
        let others = self.known.data_endpoints(&self.target);
        for host in others.filter(|name| Some(*name) != served) {
            if let Some(way) = ways.get(host) {
                let url: Url = format!("https://{host}/").parse()?;
                let answer = self.wire.get(&url, &way.addresses, &[]).await;
                report.tell(judge_reach(host, &answer))?;
            }
        }
        Ok(())
    }

    /// Adds that the origin of blobs is unknown, where no check got that far.
    fn tell_blobs_unknown(&self, report: &mut Report) -> Result<()> {
        if report.tells(blob::REDIRECT) {
            return Ok(());
        }
        let fix = match self.image {
            None => {
                "name an image of the registry (--image REPO[:TAG]; with --username and --password-stdin, unless anybody may pull it)"
            }
            Some(_) => "fix what failed above, and run this check again",
        };
        report.tell(Check::unknown(blob::REDIRECT, BLOBS, fix))?;
        Ok(())
    }

    async fn ask(
        &self,
        login: &Way,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Answer> {
        let url: Url = format!("https://{}{path}", self.target.login).parse()?;
        Ok(self.wire.get(&url, &login.addresses, headers).await)
    }

    /// Regions in which the registry is known to have a replica.
    fn regions(&self, login: &Way) -> Vec<String> {
        let endpoints = self.known.data_endpoints(&self.target);
        let mut regions: Vec<String> = endpoints.filter_map(advice::region_of).collect();
        regions.extend(advice::region_of_chain(&login.chain));
        regions
    }

    /// The command line of this visit, to be run again.
    fn check(&self, image: &Image) -> String {
        let login = &self.target.login;
        let user = self
            .credentials
            .as_ref()
            .map_or("", |_| " --username USER --password-stdin");
        format!("egress-enforcer doctor --registry {login} --image {image}{user}")
    }
}
