//! The steps of a pull, up to the first byte of a blob, each with its check.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use hyper::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue, RANGE};

use super::addresses::{ResolvedName, check_answer};
use super::auth::{self, Access, check_login, check_token};
use super::blob::{Redirect, check_blob, check_reachable, check_redirect};
use super::challenge::Bearer;
use super::credentials::Credentials;
use super::local_policy::LocalPolicy;
use super::manifest::{self, Manifest, check_manifest};
use super::report::Report;
use super::response::RegistryResult;
use super::target::{Image, RegistryTarget};
use super::transport::RegistryClient;
use super::{advice, blob};
use crate::doctor::check::Check;
use crate::https::Url;
use crate::name::Name;
use crate::sources::Sources;

/// Limit of nested image indexes.
const MAX_MANIFESTS: usize = 3;
const BLOBS: &str = "whether they come from a dedicated data endpoint is unknown";

/// The registry to check, and what the checks use.
pub(super) struct PullCheck {
    pub(super) target: RegistryTarget,
    pub(super) image: Option<Image>,
    pub(super) credentials: Option<Credentials>,
    pub(super) sources: Sources,
    pub(super) policy: LocalPolicy,
    pub(super) client: RegistryClient,
}

impl PullCheck {
    /// Runs the checks, up to the first failure that prevents the next steps.
    ///
    /// # Errors
    /// If the report cannot be written.
    pub(super) async fn run(&self, report: &mut Report<'_>) -> Result<()> {
        let names = self.resolve_names(report).await?;
        let login = names.get(&self.target.login).cloned().unwrap_or_default();
        let policy = self
            .policy
            .check_registry(&self.target, &self.regions(&login));
        report.add(policy)?;
        let redirect = self.log_in_and_pull(report, &login).await?;
        let served = match redirect {
            Some(redirect) => {
                self.fetch_blob(report, &redirect).await?;
                Some(redirect.host)
            }
            None => None,
        };
        self.check_other_data_endpoints(report, &names, served.as_ref())
            .await?;
        self.report_unknown_blobs(report)
    }

    /// Resolves all names, and returns those with an accepted address.
    async fn resolve_names(&self, report: &mut Report<'_>) -> Result<BTreeMap<Name, ResolvedName>> {
        let mut names = BTreeMap::new();
        for (name, answer) in self.client.resolve(self.policy.names(&self.target)).await? {
            let (check, resolved) = check_answer(&self.sources, &name, &answer);
            report.add(check)?;
            if !resolved.addresses.is_empty() {
                names.insert(name, resolved);
            }
        }
        Ok(names)
    }

    /// Connects to the login server and, with an image, pulls up to the redirect of its config blob.
    async fn log_in_and_pull(
        &self,
        report: &mut Report<'_>,
        login: &ResolvedName,
    ) -> Result<Option<Redirect>> {
        if login.addresses.is_empty() {
            return Ok(None);
        }
        let response = self.get(login, "/v2/", &[]).await?;
        let (check, access) = check_login(&self.target, &response);
        report.add(check)?;
        match (&self.image, access) {
            (Some(_), Access::Denied) | (None, _) => Ok(None),
            (Some(image), Access::Anonymous) => self.pull(report, login, image, None).await,
            (Some(image), Access::Token(bearer)) => {
                match self.token(report, login, image, &bearer).await? {
                    Some(token) => self.pull(report, login, image, Some(token)).await,
                    None => Ok(None),
                }
            }
        }
    }

    /// Requests a token for `image`.
    async fn token(
        &self,
        report: &mut Report<'_>,
        login: &ResolvedName,
        image: &Image,
        bearer: &Bearer,
    ) -> Result<Option<HeaderValue>> {
        let url = match bearer.token_url(&self.target.login, &image.repository) {
            Ok(url) => url,
            Err(why) => {
                report.add(auth::foreign_token_server(&why))?;
                return Ok(None);
            }
        };
        let credentials = self.credentials.as_ref();
        let headers: Vec<_> = credentials
            .map(|credentials| (AUTHORIZATION, credentials.header()))
            .into_iter()
            .collect();
        let response = self.client.get(&url, &login.addresses, &headers).await;
        let (check, token) = check_token(&self.target, credentials.is_some(), &response);
        report.add(check)?;
        let header = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
        header.transpose().context("the token cannot be sent")
    }

    /// Requests the manifest and the config blob, and returns the data endpoint that serves the blob.
    async fn pull(
        &self,
        report: &mut Report<'_>,
        login: &ResolvedName,
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
        let response = self.get(login, &path, &headers).await?;
        let migration = advice::migration(
            &self.target,
            &self.regions(login),
            &self.command_line(image),
        );
        let (check, redirect) = check_redirect(&self.target, &migration, &response);
        report.add(check)?;
        Ok(redirect)
    }

    /// Returns the digest of the image's config blob.
    async fn config_blob(
        &self,
        report: &mut Report<'_>,
        login: &ResolvedName,
        image: &Image,
        token: &[(HeaderName, HeaderValue)],
    ) -> Result<Option<String>> {
        let mut headers = token.to_vec();
        headers.push((ACCEPT, HeaderValue::from_static(manifest::ACCEPT)));
        let mut reference = image.reference.clone();
        for _ in 0..MAX_MANIFESTS {
            let path = format!("/v2/{}/manifests/{reference}", image.repository);
            let response = self.get(login, &path, &headers).await?;
            let (check, found) =
                check_manifest(&self.target, image, std::env::consts::ARCH, &response);
            match found {
                Some(Manifest::Platform(digest)) => reference = digest,
                Some(Manifest::Config(digest)) => {
                    report.add(check)?;
                    return Ok(Some(digest));
                }
                None => {
                    report.add(check)?;
                    return Ok(None);
                }
            }
        }
        report.add(manifest::too_deep(image))?;
        Ok(None)
    }

    /// Fetches the blob's first byte from the data endpoint.
    async fn fetch_blob(&self, report: &mut Report<'_>, redirect: &Redirect) -> Result<()> {
        let host = &redirect.host;
        report.add(self.policy.check_endpoint(&self.target, host))?;
        let mut resolved = ResolvedName::default();
        for (name, answer) in self.client.resolve(vec![host.clone()]).await? {
            let (check, accepted) = check_answer(&self.sources, &name, &answer);
            resolved = accepted;
            // Allowed names are in the report already.
            if !check.is_ok() || !self.policy.names(&self.target).contains(host) {
                report.add(check)?;
            }
        }
        let range = [(RANGE, HeaderValue::from_static("bytes=0-0"))];
        let response = self
            .client
            .get(&redirect.url, &resolved.addresses, &range)
            .await;
        report.add(check_blob(host, &response))?;
        Ok(())
    }

    /// Checks that the data endpoints other than `served` are reachable: Azure redirects this host to one replica at a time, and later to another.
    async fn check_other_data_endpoints(
        &self,
        report: &mut Report<'_>,
        names: &BTreeMap<Name, ResolvedName>,
        served: Option<&Name>,
    ) -> Result<()> {
        let others = self.policy.data_endpoints(&self.target);
        for host in others.filter(|name| Some(*name) != served) {
            if let Some(resolved) = names.get(host) {
                let url: Url = format!("https://{host}/").parse()?;
                let response = self.client.get(&url, &resolved.addresses, &[]).await;
                report.add(check_reachable(host, &response))?;
            }
        }
        Ok(())
    }

    /// Reports that the origin of blobs is unknown, if no check got that far.
    fn report_unknown_blobs(&self, report: &mut Report<'_>) -> Result<()> {
        if report.contains(blob::REDIRECT) {
            return Ok(());
        }
        let fix = match self.image {
            None => {
                "name an image of the registry (--image REPO[:TAG]; with --username and --password-stdin, unless it can be pulled without credentials)"
            }
            Some(_) => "fix what failed above, and run this check again",
        };
        report.add(Check::unknown(blob::REDIRECT, BLOBS, fix))?;
        Ok(())
    }

    /// Sends `GET path` to the login server.
    async fn get(
        &self,
        login: &ResolvedName,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<RegistryResult> {
        let url: Url = format!("https://{}{path}", self.target.login).parse()?;
        Ok(self.client.get(&url, &login.addresses, headers).await)
    }

    /// Returns the regions in which the registry is known to have a replica.
    fn regions(&self, login: &ResolvedName) -> Vec<String> {
        let endpoints = self.policy.data_endpoints(&self.target);
        let mut regions: Vec<String> = endpoints.filter_map(advice::region_of).collect();
        regions.extend(advice::region_of_chain(&login.chain));
        regions
    }

    /// Returns the command line of these checks.
    fn command_line(&self, image: &Image) -> String {
        let login = &self.target.login;
        let user = self
            .credentials
            .as_ref()
            .map_or("", |_| " --username USER --password-stdin");
        format!("egress-enforcer doctor --registry {login} --image {image}{user}")
    }
}
