//! The configuration file of a command, and the paths of pins, state and control socket in it.

use std::path::{Path, PathBuf};

use crate::config::{self, Config, ConfigError, Paths};

use super::args::DEFAULT_CONFIG;

/// The configuration file of a command.
pub(super) struct ConfigFile {
    named: Option<PathBuf>,
}

impl ConfigFile {
    /// Takes the value of `--config`, where it is given.
    pub(super) fn new(named: Option<PathBuf>) -> Self {
        Self { named }
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        self.named.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG))
    }

    /// Whether `--config` named it.
    pub(super) fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// Whether it is the default file and does not exist.
    pub(super) fn is_missing_default(&self) -> bool {
        self.named.is_none() && self.path().try_exists().is_ok_and(|exists| !exists)
    }

    /// Reads pins, state and runtime directories. Other sections of the file may be invalid, so that a running daemon is found in any case.
    ///
    /// # Errors
    /// Where a named file does not exist, or the file or its `[paths]` cannot be read.
    pub(super) fn paths(&self) -> Result<Paths, ConfigError> {
        if self.is_missing_default() {
            return Ok(Paths::default());
        }
        config::load_paths(self.path())
    }

    /// Reads the whole configuration.
    ///
    /// # Errors
    /// Where it is invalid.
    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        config::load(self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with `text`, and its temporary directory.
    fn written(text: &str) -> (tempfile::TempDir, ConfigFile) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        (directory, ConfigFile::new(Some(file)))
    }

    #[test]
    fn an_invalid_section_does_not_hide_the_paths() {
        let text = "mode = \"off\"\n[paths]\nruntime = \"/run/plant\"\n";
        let (_directory, config) = written(text);
        let found = config.paths().unwrap();
        assert_eq!(found.runtime, PathBuf::from("/run/plant"));
        assert_eq!(found.pins, Paths::default().pins);
    }

    #[test]
    fn paths_that_cannot_be_read_are_an_error() {
        let (_directory, config) = written("[paths]\npin = \"/sys/fs/bpf/plant\"\n");
        let refused = config.paths().unwrap_err();
        assert!(
            refused.to_string().contains("config.toml:2: paths.pin"),
            "{refused}"
        );
        let missing = ConfigFile::new(Some("/nonexistent.toml".into()));
        assert!(matches!(
            missing.paths(),
            Err(ConfigError::Unreadable { .. })
        ));
    }
}
