//! A published service-tags file at an HTTPS URL.

use std::path::Path;

use hyper::StatusCode;
use hyper::header::{
    ETAG, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};

use super::client::{AzureClient, TAGS_TIME, WHOLE_TIME, in_time, require_ok, resolved};
use super::error::{FetchError, FetchTarget};
use crate::azure::pinned_addresses::PinnedAddresses;
use crate::azure::tags::import::{MAX_FETCHED, date_in_file_name, import};
use crate::azure::tags::publication_date::published_on;
use crate::azure::tags::snapshot::{TagOrigin, TagSnapshot};
use crate::config::HttpsUrl;
use crate::https::{Request, Response, Url};

/// The server's identifier for the version of the file that was fetched last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validator {
    /// An `ETag`, as in the answer.
    Etag(String),
    /// A `Last-Modified`, from a server without ETags.
    LastModified(String),
}

/// Result of fetching the file.
#[derive(Clone, Debug, PartialEq)]
pub enum FetchedTags {
    /// The file did not change.
    Unchanged,
    /// The file changed.
    New {
        /// Its tags, which passed the content checks.
        tags: Box<TagSnapshot>,
        /// The validator for the next request.
        validator: Option<Validator>,
    },
}

impl AzureClient {
    /// Fetches the published file at `url`, unless `last` is its current version.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn tags_file(
        &self,
        url: &HttpsUrl,
        last: Option<&Validator>,
        wanted: &[String],
        pinned: &PinnedAddresses,
    ) -> Result<FetchedTags, FetchError> {
        let target = FetchTarget::TagsFile(url.to_string());
        let url = url.as_str().parse::<Url>();
        let url = url.map_err(|error| target.failed(error))?;
        let fetched = fetch(self, url, &target, last, wanted, pinned);
        in_time(&target, WHOLE_TIME, fetched).await
    }
}

/// Sends the conditional request, and imports the file.
pub(super) async fn fetch(
    azure: &AzureClient,
    url: Url,
    target: &FetchTarget,
    last: Option<&Validator>,
    wanted: &[String],
    pinned: &PinnedAddresses,
) -> Result<FetchedTags, FetchError> {
    let addresses = resolved(target, &url, pinned)?;
    let shown = url.to_string();
    let mut request = Request::get(url).at_most(MAX_FETCHED).within(TAGS_TIME);
    if let Some((name, value)) = last.and_then(condition) {
        request = request.header(name, value);
    }
    let response = azure.client.send(request, addresses).await;
    let response = response.map_err(|error| target.failed(error))?;
    if last.is_some() && response.status() == StatusCode::NOT_MODIFIED {
        return Ok(FetchedTags::Unchanged);
    }
    let response = require_ok(target, response, None)?;
    let tags = import(response.body(), Path::new(&shown), azure.cloud, wanted);
    let tags = tags.map_err(|error| target.failed(error))?;
    let claimed =
        date_in_file_name(Path::new(&shown)).or_else(|| last_modified(&response, Timestamp::now()));
    Ok(FetchedTags::New {
        validator: validator(&response),
        tags: Box::new(TagSnapshot {
            date: published_on(azure.cloud, tags.change_number, claimed),
            origin: TagOrigin::Url(shown),
            ..tags
        }),
    })
}

fn condition(last: &Validator) -> Option<(HeaderName, HeaderValue)> {
    let (name, text) = match last {
        Validator::Etag(text) => (IF_NONE_MATCH, text),
        Validator::LastModified(text) => (IF_MODIFIED_SINCE, text),
    };
    Some((name, HeaderValue::from_str(text).ok()?))
}

fn validator(response: &Response) -> Option<Validator> {
    let etag = response.header(ETAG.as_str()).map(str::to_owned);
    let modified = || response.header(LAST_MODIFIED.as_str()).map(str::to_owned);
    etag.map(Validator::Etag)
        .or_else(|| modified().map(Validator::LastModified))
}

/// Returns the day of the file's last modification according to the server. A future day is ignored, as it would hide the file's age.
fn last_modified(response: &Response, now: Timestamp) -> Option<Date> {
    let text = response.header(LAST_MODIFIED.as_str())?;
    let written = Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()?;
    (written <= now).then(|| Offset::UTC.to_datetime(written).date())
}
