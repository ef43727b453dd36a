//! The Service Tag Discovery API: `Service Tags - List` of `Microsoft.Network`.

use std::path::Path;
use std::time::Instant;

use super::client::{AzureClient, Bounds, TAGS_TIME, WHOLE_TIME, in_time};
use super::error::{FetchError, FetchProblem, FetchTarget};
use crate::azure::pinned_addresses::PinnedAddresses;
use crate::azure::tags::discovery_api::{ApiTags, ApiTagsReader};
use crate::azure::tags::import::MAX_FETCHED;
use crate::config::Cloud;
use crate::https::Url;

const API_VERSION: &str = "2024-05-01";
/// The most pages of one list. [`MAX_FETCHED`] bounds their total size, and [`TAGS_TIME`] their total time.
const MOST_PAGES: usize = 64;

impl AzureClient {
    /// Fetches the tags `wanted` from the Service Tag Discovery API on behalf of `subscription`. They lag behind the published file and are a
    /// part of it: see [`TagSnapshot::with_added`](crate::azure::TagSnapshot::with_added).
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn service_tags(
        &self,
        subscription: &str,
        wanted: &[String],
        pinned: &PinnedAddresses,
    ) -> Result<ApiTags, FetchError> {
        let target = FetchTarget::ServiceTags(subscription.to_owned());
        let fetched = fetch(self, subscription, &target, wanted, pinned);
        in_time(&target, WHOLE_TIME, fetched).await
    }
}

/// A region of the cloud. The API requires one but lists all.
fn location(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Public => "westeurope",
        Cloud::UsGovernment => "usgovvirginia",
        Cloud::China => "chinaeast2",
    }
}

/// Reads all pages, and keeps the tags `wanted` with their regional tags.
async fn fetch(
    azure: &AzureClient,
    subscription: &str,
    target: &FetchTarget,
    wanted: &[String],
    pinned: &PinnedAddresses,
) -> Result<ApiTags, FetchError> {
    let source = target.to_string();
    let mut url = azure.at(
        &format!(
            "/subscriptions/{subscription}/providers/Microsoft.Network/locations/{}/serviceTags?api-version={API_VERSION}",
            location(azure.cloud)
        ),
        target,
    )?;
    let mut reader = ApiTagsReader::new(azure.cloud, wanted, Path::new(&source));
    let mut room = MAX_FETCHED;
    let until = Instant::now() + TAGS_TIME;
    for _ in 0..MOST_PAGES {
        let bounds = Bounds {
            bytes: room,
            time: until.saturating_duration_since(Instant::now()),
        };
        let response = azure.request(target, url, pinned, bounds).await?;
        let read = u64::try_from(response.body().len()).unwrap_or(u64::MAX);
        room = room.saturating_sub(read);
        let link = reader.page(response.body());
        let Some(link) = link.map_err(|error| target.failed(error))? else {
            return reader.finish().map_err(|error| target.failed(error));
        };
        url = followed(azure, &link, target)?;
    }
    Err(target.failed(FetchProblem::Pages("has too many pages")))
}

/// Returns the URL of the next page. It must be on the same server, as the token is sent there.
fn followed(azure: &AzureClient, link: &str, target: &FetchTarget) -> Result<Url, FetchError> {
    let url = link.parse::<Url>().ok();
    url.filter(|url| url.is_same_server(&azure.manager))
        .ok_or_else(|| target.failed(FetchProblem::Pages("continues on another server")))
}
