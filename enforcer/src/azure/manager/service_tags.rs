//! The Service Tag Discovery API: `Service Tags - List` of `Microsoft.Network`.

use std::path::Path;
use std::time::Instant;

use super::{Azure, Bounds, FetchError, Problem, Reach, TAGS_TIME, Thing};
pub use crate::azure::tags::MoreTags;
use crate::azure::tags::{MAX_FETCHED, MoreTagsReader};
use crate::config::Cloud;
use crate::https::Url;

const API_VERSION: &str = "2024-05-01";
/// The most pages of one list; the bytes of all are bounded by [`MAX_FETCHED`], and their time by [`TAGS_TIME`].
const MOST_PAGES: usize = 64;

/// A region of the cloud. The API wants one and lists all the same.
fn location(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Public => "westeurope",
        Cloud::UsGovernment => "usgovvirginia",
        Cloud::China => "chinaeast2",
    }
}

/// Reads all pages and keeps the tags of the families `wanted`.
pub(super) async fn fetch(
    azure: &Azure,
    subscription: &str,
    thing: &Thing,
    wanted: &[String],
    reach: &Reach,
) -> Result<MoreTags, FetchError> {
    let source = thing.to_string();
    let mut url = azure.at(
        &format!(
            "/subscriptions/{subscription}/providers/Microsoft.Network/locations/{}/serviceTags?api-version={API_VERSION}",
            location(azure.cloud)
        ),
        thing,
    )?;
    let mut reader = MoreTagsReader::new(azure.cloud, wanted, Path::new(&source));
    let mut room = MAX_FETCHED;
    let until = Instant::now() + TAGS_TIME;
    for _ in 0..MOST_PAGES {
        let bounds = Bounds {
            bytes: room,
            time: until.saturating_duration_since(Instant::now()),
        };
        let response = azure.ask(thing, url, reach, bounds).await?;
        let read = u64::try_from(response.body().len()).unwrap_or(u64::MAX);
        room = room.saturating_sub(read);
        let link = reader.page(response.body());
        let Some(link) = link.map_err(|error| thing.failed(error))? else {
            return reader.finish().map_err(|error| thing.failed(error));
        };
        url = followed(azure, &link, thing)?;
    }
    Err(thing.failed(Problem::Pages("has more pages than any list has")))
}

/// The next page, if it is on the same server: the token goes nowhere else.
fn followed(azure: &Azure, link: &str, thing: &Thing) -> Result<Url, FetchError> {
    let url = link.parse::<Url>().ok();
    url.filter(|url| url.is_same_server(&azure.manager))
        .ok_or_else(|| thing.failed(Problem::Pages("goes on at another server")))
}
