//! Configuration: TOML → validated values, with errors that name file, line and key. One file for each section of the TOML file has the
//! validated type, the type that serde parses (its doc comments are the manual page), and the validation.

mod azure;
pub mod cloud;
mod discovery;
mod dns;
mod document;
mod exception;
mod faults;
mod frames;
mod key_path;
mod log;
#[cfg(test)]
mod manual;
mod metrics;
mod paths;
mod protect;
mod registry;
mod settings;
#[cfg(test)]
mod tests;
mod top_level;
mod value;
mod warnings;

use std::path::Path;

pub use azure::{Azure, CredentialKind};
pub use cloud::{Cloud, EndpointKind};
pub use discovery::Discovery;
pub use dns::{AnswerCheck, Dns, TTL_CEILING, TTL_FLOOR};
pub use exception::{DEVICE_BYPASS, Exception, Target};
pub use faults::{ConfigError, FaultAt};
pub use frames::{Forwarded, Frames, FramesMode};
pub use log::{Log, SyslogFormat};
pub use metrics::Metrics;
pub use paths::Paths;
pub use protect::{DefaultAction, Protect, REGISTRY_TAG, STORAGE_TAG};
pub use registry::{Registry, Sni};
pub use settings::{Setting, SettingKey, WITHOUT_LIST};
pub use top_level::{Config, Mode};
pub use value::{EndpointPattern, HttpsUrl, InterfacePattern, LocalUrl, ResourceId};
pub(crate) use value::{duration, redacted_url};

use self::faults::Faults;
use self::paths::RawPathsOnly;
use self::registry::rules::{login_server_problem, regions_problem};
use self::top_level::RawConfig;
use self::value::{FromText, Region};
use crate::file::{read_within, utf8};
use crate::name::Name;

/// The maximum size of a configuration in bytes: room for some thousand registries.
const MAX_FILE: u64 = 1 << 20;

/// Reads and validates the file at `path`. A file that cannot be read is an error, never the defaults.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    parse(&read(path)?, path)
}

/// Reads the section `[paths]` of the file at `path`, even if the others are faulty: a running instance is found while its file is being
/// fixed.
pub fn load_paths(path: &Path) -> Result<Paths, ConfigError> {
    let text = read(path)?;
    let mut faults = Faults::default();
    let raw: Option<RawPathsOnly> = document::read(&text, &mut faults);
    let paths = raw.map(|raw| raw.paths.validate());
    faults.finish(paths, &text, path)
}

/// Returns the text of the file at `path`, in UTF-8.
///
/// # Errors
/// [`ConfigError::Unreadable`]: the file does not exist, is not a regular file, or is too large; [`ConfigError::NotText`].
pub fn read(path: &Path) -> Result<String, ConfigError> {
    let bytes = read_within(path, MAX_FILE).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    String::from_utf8(utf8(&bytes).into_owned()).map_err(|error| {
        let (text, _) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let lines = text.iter().filter(|byte| **byte == b'\n');
        ConfigError::NotText {
            path: path.to_owned(),
            line: lines.count() + 1,
        }
    })
}

/// Validates `text` as the contents of the file at `path`. Errors name `path`, and relative files are relative to its directory. The error
/// contains all faults.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let base = path.parent().unwrap_or(Path::new(""));
    let mut faults = Faults::default();
    let raw: Option<RawConfig> = document::read(text, &mut faults);
    let config = raw.map(|raw| raw.validate(base, &mut faults));
    faults.finish(config, text, path)
}

impl Config {
    /// Returns the defaults with these registries, each with replicas in all of `regions`; the cloud follows from the names.
    pub fn for_registries(registries: &[Name], regions: &[String]) -> Result<Self, ConfigError> {
        let Some(first) = registries.first() else {
            return Err(argument(
                "--registry",
                "no registry is named; write one such as contoso.azurecr.io",
            ));
        };
        let cloud = Cloud::of_login_server(first).unwrap_or_default();
        let regions = regions
            .iter()
            .map(|region| Region::from_text(region).map(|Region(region)| region));
        let regions: Vec<String> = regions
            .collect::<Result<_, _>>()
            .map_err(|problem| argument("--region", problem))?;
        for name in registries {
            if let Some(problem) = login_server_problem(name, cloud) {
                return Err(argument("--registry", problem));
            }
            if let Some(problem) = regions_problem(name, cloud).filter(|_| !regions.is_empty()) {
                return Err(argument("--region", problem));
            }
        }
        let mut login_servers = registries.to_vec();
        login_servers.sort();
        login_servers.dedup();
        let registry = |login_server| Registry::with_regions(login_server, regions.clone());
        Ok(Self {
            mode: Mode::default(),
            scope: None,
            protect: Protect {
                cloud,
                ..Protect::default()
            },
            registries: login_servers.into_iter().map(registry).collect(),
            exceptions: Vec::new(),
            dns: Dns::default(),
            azure: Azure::default(),
            discovery: Discovery::default(),
            frames: Frames::without_section(true),
            metrics: Metrics::default(),
            log: Log::default(),
            paths: Paths::default(),
            notes: Vec::new(),
        })
    }
}

fn argument(option: &'static str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Argument {
        option,
        problem: problem.into(),
    }
}
