//! Identifiers and addresses of Azure's own services.

use std::fmt;

use super::{FromText, Name};

/// The lengths of the groups of a GUID.
const GUID: [usize; 5] = [8, 4, 4, 4, 12];
/// The longest URL that is accepted, in bytes.
const MAX_URL: usize = 2048;
/// The resource type of a registry in Azure Resource Manager, which ignores case.
const PROVIDER: [&str; 3] = ["providers", "Microsoft.ContainerRegistry", "registries"];

/// The identifier of a subscription, tenant or client.
pub(in crate::config) struct Guid(pub(in crate::config) String);

/// The resource of a registry in Azure Resource Manager.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceId {
    /// The subscription, a GUID.
    pub subscription: String,
    /// The resource group.
    pub resource_group: String,
    /// The registry's name in it.
    pub name: String,
}

/// An `https://` URL whose host is a name. No output shows its query, which may contain a signature.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpsUrl {
    text: String,
    host: Name,
}

impl HttpsUrl {
    /// Returns the whole URL.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the host.
    pub fn host(&self) -> &Name {
        &self.host
    }
}

impl FromText for Guid {
    const EXPECTED: &'static str = "a GUID in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        if is_guid(text) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(format!(
            "\"{text}\" is not a GUID; write one such as \"00000000-0000-0000-0000-000000000000\""
        ))
    }
}

impl FromText for ResourceId {
    const EXPECTED: &'static str = "a resource ID in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "\"{text}\" is not the resource ID of a registry; write what \
                 `az acr show --name <registry> --query id` prints: \"/subscriptions/<guid>/resourceGroups/<group>\
                 /providers/Microsoft.ContainerRegistry/registries/<registry>\""
            )
        };
        let parts: Vec<&str> = text.split('/').collect();
        let [
            "",
            subscriptions,
            subscription,
            groups,
            group,
            provider @ ..,
            name,
        ] = &parts[..]
        else {
            return Err(wrong());
        };
        let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
        let is_registry = same(subscriptions, "subscriptions")
            && same(groups, "resourceGroups")
            && provider.len() == PROVIDER.len()
            && provider
                .iter()
                .zip(PROVIDER)
                .all(|(one, other)| same(one, other))
            && is_guid(subscription)
            && is_group(group)
            && is_registry(name);
        if !is_registry {
            return Err(wrong());
        }
        Ok(Self {
            subscription: subscription.to_ascii_lowercase(),
            resource_group: (*group).to_owned(),
            name: (*name).to_owned(),
        })
    }
}

impl FromText for HttpsUrl {
    const EXPECTED: &'static str = "an https:// URL in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = |problem: &str| {
            format!(
                "\"{}\" {problem}; write one such as \"https://mirror.example.com/ServiceTags_Public.json\"",
                redacted_url(text)
            )
        };
        let rest = text
            .strip_prefix("https://")
            .ok_or_else(|| wrong("does not begin with https://"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(wrong(
                "contains a user name, which is not allowed in this URL",
            ));
        }
        let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic()) && !path.contains('#');
        if !path.starts_with('/') || !is_plain || text.len() > MAX_URL {
            return Err(wrong("is not the URL of a file"));
        }
        let host: Name = authority
            .parse()
            .or(Err(wrong("has no host name, or a port other than 443")))?;
        Ok(Self {
            text: format!("https://{host}{path}"),
            host,
        })
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ContainerRegistry/registries/{}",
            self.subscription, self.resource_group, self.name
        )
    }
}

/// Without the query.
impl fmt::Display for HttpsUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(redacted_url(&self.text))
    }
}

impl fmt::Debug for HttpsUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HttpsUrl({self})")
    }
}

/// Returns the part of a would-be URL that is safe to show: neither its query, which may contain a signature, nor user and password.
pub(crate) fn redacted_url(text: &str) -> &str {
    let before_query = text.split(['?', '#']).next().unwrap_or_default();
    match before_query.rsplit_once('@') {
        Some((_user, host)) => host,
        // A password that contains `?` or `#`, or a signature: the two cannot be distinguished.
        None if text.contains('@') => "https://…",
        None => before_query,
    }
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let fits =
        |group: &str, len| group.len() == len && group.bytes().all(|byte| byte.is_ascii_hexdigit());
    groups.len() == GUID.len() && groups.iter().zip(GUID).all(|(group, len)| fits(group, len))
}

/// Resource groups: up to 90 letters, digits, `_ - . ( )` (resource-name-rules).
fn is_group(text: &str) -> bool {
    let fits =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | '(' | ')');
    (1..=90).contains(&text.chars().count()) && text.is_ascii() && text.chars().all(fits)
}

/// Registries: 5 to 50 letters and digits (resource-name-rules).
fn is_registry(text: &str) -> bool {
    (5..=50).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
