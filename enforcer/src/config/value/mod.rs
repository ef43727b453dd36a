//! Values of the configuration that are written as strings, each with the error its writer needs.

mod azure;
mod duration;
mod network;
mod pattern;
mod regions;

use std::fmt;
use std::marker::PhantomData;
use std::path::{Component, Path, PathBuf};

use enforcer_common::layout::MAX_LEVEL;
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

pub(super) use self::azure::Guid;
pub(super) use self::duration::WrittenDuration;
pub(super) use self::network::Nat64;
pub use self::pattern::EndpointPattern;
pub(super) use self::pattern::{EndpointName, parted};
pub(super) use self::regions::Regions;
use crate::name::{Name, NameError};
use crate::printable;

/// The systemd unit types that have a cgroup (systemd.resource-control(5)).
const UNIT_TYPES: [&str; 6] = [".service", ".scope", ".slice", ".socket", ".mount", ".swap"];

/// Where the cgroup v2 tree is mounted by convention (file-hierarchy(7), and beside cgroup v1): a cgroup is named by its path there as well.
const CGROUP_MOUNTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
/// The unit of the root cgroup (systemd.special(7)).
const ROOT_SLICE: &str = "-.slice";
/// Why no exception is for the root cgroup.
const EVERYBODY: &str = "is every process of the host; name one unit or cgroup \
                         (what is open to all stands in [[registry]] and protect.default)";

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
        text.parse().map_err(|error: NameError| error.to_string())
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

/// What stands under `login-server`.
pub(super) enum WrittenLoginServer {
    /// A host name.
    Whole(Name),
    /// A registry's name, without its cloud's suffix.
    Bare(String),
}

impl FromText for WrittenLoginServer {
    const EXPECTED: &'static str = Name::EXPECTED;

    fn from_text(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(name) => Ok(Self::Whole(name)),
            Err(NameError::SingleLabel(label)) => Ok(Self::Bare(label)),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The label of a registry before its cloud's suffix: `contoso` of `contoso.azurecr.io`.
pub(super) struct RegistryLabel(pub(super) String);

impl FromText for RegistryLabel {
    const EXPECTED: &'static str = "the name of a registry in quotes, such as \"contoso\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_label = (1..=63).contains(&text.len())
            && text.bytes().all(fits)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if !is_label {
            return Err(format!(
                "\"{text}\" is not the name of a registry; write what stands before azurecr.io in its login server, such as \"contoso\""
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
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
        if text == ROOT_SLICE {
            return Err(format!("\"{text}\" {EVERYBODY}"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The part of `path` below a mount point of the cgroup tree.
pub(super) fn below_cgroup_mount(path: &Path) -> Option<&Path> {
    let mut mounts = CGROUP_MOUNTS.iter();
    mounts.find_map(|mount| path.strip_prefix(mount).ok())
}

/// A cgroup below the root, as deep as the kernel program looks at most.
pub(super) struct CgroupPath(pub(super) PathBuf);

impl FromText for CgroupPath {
    const EXPECTED: &'static str =
        "the path of a cgroup in quotes, such as \"/system.slice/agent.service\"";

    fn from_text(text: &str) -> Result<Self, String> {
        let Absolute(path) = Absolute::from_text(text)?;
        let parts = below_cgroup_mount(&path).unwrap_or(&path).components();
        let level = parts.filter(|part| *part != Component::RootDir).count();
        if level == 0 {
            return Err(format!("\"{text}\" {EVERYBODY}"));
        }
        if level > MAX_LEVEL as usize {
            return Err(format!(
                "\"{text}\" is {level} levels deep, and an exception acts on cgroups down to level {MAX_LEVEL}; name one above it"
            ));
        }
        Ok(Self(path))
    }
}

/// Text for people, on one line and safe on a terminal; not empty.
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
        Ok(Self(printable::line(text)))
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
