//! Values of the configuration that are written as strings, each with the error its writer needs.

use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::path::{Component, PathBuf};
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};
use jiff::{Span, SpanRelativeTo, Timestamp};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::name::Name;

/// Where DNS servers listen unless a port is given (RFC 1035 section 4.2).
const DNS_PORT: u16 = 53;
/// The prefix lengths that RFC 6052 section 2.2 defines.
const NAT64_LENGTHS: [u8; 6] = [32, 40, 48, 56, 64, 96];
/// The systemd unit types that have a cgroup (systemd.resource-control(5)).
const UNIT_TYPES: [&str; 6] = [".service", ".scope", ".slice", ".socket", ".mount", ".swap"];

/// A value that is written as one string.
pub(super) trait FromText: Sized {
    /// What is wanted, for the error when something else than a string stands there.
    const EXPECTED: &'static str;

    /// Reads the value; the error says what is wrong and how to mend it.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// Reads a [`FromText`] value inside the visitor, so that its error carries the place of the string itself.
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromText> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData))
    }
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: FromText> Visitor<'_> for TextVisitor<T> {
    type Value = Text<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text<T>, E> {
        T::from_text(text).map(Text).map_err(E::custom)
    }
}

impl FromText for Name {
    const EXPECTED: &'static str = "a host name in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|error: crate::name::NameError| error.to_string())
    }
}

impl FromText for IpNet {
    const EXPECTED: &'static str = "a prefix in quotes, such as \"10.1.0.0/24\"";

    fn from_text(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Err(format!(
                "\"{text}\" has no length; for this one address write \"{}\"",
                Self::from(address)
            ));
        }
        let Ok(prefix) = text.parse::<Self>() else {
            return Err(format!(
                "\"{text}\" is not a prefix; write one such as \"10.1.0.0/24\" or \"2001:db8::/32\""
            ));
        };
        if prefix.trunc() != prefix {
            return Err(format!(
                "\"{text}\" has bits set after its length; write \"{}\"",
                prefix.trunc()
            ));
        }
        if prefix.prefix_len() == 0 {
            return Err(format!(
                "\"{text}\" is every address, loopback and the local network too; write the prefixes that are meant \
                 (to close the rest, set protect.default = \"deny\")"
            ));
        }
        match prefix {
            Self::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => Err(format!(
                "\"{text}\" is IPv4-mapped and judged as IPv4; write the IPv4 prefix"
            )),
            Self::V4(_) | Self::V6(_) => Ok(prefix),
        }
    }
}

/// A NAT64 prefix (RFC 6052 section 2.2).
pub(super) struct Nat64(pub(super) Ipv6Net);

impl FromText for Nat64 {
    const EXPECTED: &'static str = "an IPv6 prefix in quotes, such as \"2001:db8:64::/96\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let IpNet::V6(prefix) = IpNet::from_text(text)? else {
            return Err(format!("\"{text}\" is IPv4; a NAT64 prefix is IPv6"));
        };
        if !NAT64_LENGTHS.contains(&prefix.prefix_len()) {
            return Err(format!(
                "\"{text}\": a NAT64 prefix is 32, 40, 48, 56, 64 or 96 bits long (RFC 6052)"
            ));
        }
        if prefix.addr().octets().get(8).is_some_and(|byte| *byte != 0) {
            return Err(format!(
                "\"{text}\": bits 64 to 71 of a NAT64 prefix are zero (RFC 6052)"
            ));
        }
        Ok(Self(prefix))
    }
}

impl FromText for Duration {
    const EXPECTED: &'static str = "a duration in quotes, such as \"15m\" or \"90d\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "\"{text}\" is not a duration; write one such as \"30s\", \"15m\", \"12h\" or \"90d\""
            )
        };
        let Ok(span) = text.parse::<Span>() else {
            return Err(wrong());
        };
        let Ok(signed) = span.to_duration(SpanRelativeTo::days_are_24_hours()) else {
            return Err(wrong());
        };
        let Ok(duration) = Self::try_from(signed) else {
            return Err(wrong());
        };
        Ok(duration)
    }
}

impl FromText for SocketAddr {
    const EXPECTED: &'static str =
        "an address in quotes, such as \"10.0.0.53\" or \"[2001:db8::53]:5353\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let address = text
            .parse::<IpAddr>()
            .map(|address| Self::new(address, DNS_PORT));
        let Ok(server) = address.or_else(|_| text.parse::<Self>()) else {
            return Err(format!(
                "\"{text}\" is not the address of a server; write one such as \"10.0.0.53\" or \"[2001:db8::53]:5353\""
            ));
        };
        if server.ip().is_unspecified() || server.ip().is_multicast() || server.port() == 0 {
            return Err(format!(
                "\"{text}\" is no address that a server answers from"
            ));
        }
        Ok(server)
    }
}

/// A region as it stands in data endpoint names.
pub(super) struct Region(pub(super) String);

impl FromText for Region {
    const EXPECTED: &'static str = "a region in quotes, such as \"eastus\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let is_region = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            (1..=63).contains(&text.len()) && text.bytes().all(fits)
        };
        if is_region(text) {
            return Ok(Self(text.to_owned()));
        }
        let plain = text.to_ascii_lowercase().replace(' ', "");
        let mend = if is_region(&plain) {
            plain
        } else {
            "eastus".to_owned()
        };
        Err(format!(
            "\"{text}\" is not a region as it stands in endpoint names (lower-case letters and digits); write one such as \"{mend}\""
        ))
    }
}

/// A service tag's name.
pub(super) struct Tag(pub(super) String);

impl FromText for Tag {
    const EXPECTED: &'static str = "the name of a service tag in quotes, such as \"Storage\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if text.is_empty() || !text.bytes().all(fits) {
            return Err(format!(
                "\"{text}\" is not the name of a service tag; write one such as \"Storage\""
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A path from the root, without `..`.
pub(super) struct Absolute(pub(super) PathBuf);

impl FromText for Absolute {
    const EXPECTED: &'static str = "a path in quotes that begins with /";

    fn from_text(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if !path.is_absolute() || climbs {
            return Err(format!(
                "\"{text}\" is not a whole path; write it from / on, without \"..\""
            ));
        }
        Ok(Self(path))
    }
}

/// The name of a file; relative ones count from the configuration file's directory.
pub(super) struct File(pub(super) PathBuf);

impl FromText for File {
    const EXPECTED: &'static str = "the path of a file in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the path of the file is empty; name one, or remove the key".to_owned());
        }
        Ok(Self(PathBuf::from(text)))
    }
}

/// The full name of a systemd unit that has a cgroup.
pub(super) struct Unit(pub(super) String);

impl FromText for Unit {
    const EXPECTED: &'static str =
        "the name of a systemd unit in quotes, such as \"agent.service\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let typed = UNIT_TYPES
            .iter()
            .any(|kind| text.len() > kind.len() && text.ends_with(kind));
        if !typed || text.contains('/') {
            return Err(format!(
                "\"{text}\" is not a unit's full name; write one such as \"agent.service\""
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Text for people; not empty.
pub(super) struct Reason(pub(super) String);

impl FromText for Reason {
    const EXPECTED: &'static str = "a sentence in quotes";

    fn from_text(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err(
                "the reason is empty; write why this is open, for whoever reviews it".to_owned(),
            );
        }
        Ok(Self(text.to_owned()))
    }
}

/// `regions`: a list; `"discover"` is kept for asking Azure Resource Manager.
pub(super) struct Regions(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Regions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RegionsVisitor)
    }
}

struct RegionsVisitor;

impl<'de> Visitor<'de> for RegionsVisitor {
    type Value = Regions;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of regions, such as [\"eastus\"]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Regions, E> {
        if text == "discover" {
            return Err(E::custom(
                "\"discover\" (asking Azure Resource Manager) is for a later version; list the regions, or give endpoints-file",
            ));
        }
        Err(E::custom(format!("write a list: regions = [\"{text}\"]")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Regions, A::Error> {
        let mut regions = Vec::new();
        while let Some(Text(Region(region))) = elements.next_element()? {
            if regions.contains(&region) {
                return Err(A::Error::custom(format!(
                    "\"{region}\" stands there twice; remove one"
                )));
            }
            regions.push(region);
        }
        Ok(Regions(regions))
    }
}

/// A key that is kept for a later version: whatever stands there is refused.
pub(super) struct ResourceId;

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "asking Azure Resource Manager is for a later version; remove the key and list regions, or give endpoints-file",
        ))
    }
}

/// Reads an instant from a TOML date-time, which must have an offset.
pub(super) fn instant(written: &toml::value::Datetime) -> Result<Timestamp, String> {
    if written.date.is_none() || written.time.is_none() || written.offset.is_none() {
        let mend = match (written.date, written.time) {
            (Some(_), Some(_)) => format!("{written}Z"),
            (Some(_), None) => format!("{written}T00:00:00Z"),
            (None, _) => "2027-01-31T00:00:00Z".to_owned(),
        };
        return Err(format!(
            "{written} has no offset, so it is no instant; add Z for UTC: {mend}"
        ));
    }
    written
        .to_string()
        .parse()
        .map_err(|error: jiff::Error| format!("{written} is no instant: {error}"))
}
