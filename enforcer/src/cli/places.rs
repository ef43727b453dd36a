//! Where the configuration is, and with it the pins and the control socket.

use std::path::{Path, PathBuf};

use crate::config::{self, Config, ConfigError, Paths};

use super::args::DEFAULT_CONFIG;

/// The configuration file that a command works with.
pub(super) struct Places {
    named: Option<PathBuf>,
}

impl Places {
    /// The file that `--config` named, if it did.
    pub(super) fn new(named: Option<PathBuf>) -> Self {
        Self { named }
    }

    /// The configuration file.
    pub(super) fn file(&self) -> &Path {
        self.named.as_deref().unwrap_or(Path::new(DEFAULT_CONFIG))
    }

    /// Whether somebody named a file.
    pub(super) fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// Whether nobody named a file and none is in the default place.
    pub(super) fn is_unconfigured(&self) -> bool {
        self.named.is_none() && self.file().try_exists().is_ok_and(|exists| !exists)
    }

    /// Pins, state and socket. Other sections of the file may be invalid: what runs is found all the same.
    ///
    /// # Errors
    /// Where the file is named and not there, cannot be read, or has no `[paths]` that can be read.
    pub(super) fn paths(&self) -> Result<Paths, ConfigError> {
        if self.is_unconfigured() {
            return Ok(Paths::default());
        }
        config::load_paths(self.file())
    }

    /// The whole configuration, valid.
    ///
    /// # Errors
    /// Where it is not.
    pub(super) fn config(&self) -> Result<Config, ConfigError> {
        config::load(self.file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with `text`, in a directory that goes with the first value.
    fn written(text: &str) -> (tempfile::TempDir, Places) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        (directory, Places::new(Some(file)))
    }

    #[test]
    fn an_invalid_section_does_not_hide_the_paths() {
        let text = "mode = \"off\"\n[paths]\nruntime = \"/run/plant\"\n";
        let (_directory, places) = written(text);
        let found = places.paths().unwrap();
        assert_eq!(found.runtime, PathBuf::from("/run/plant"));
        assert_eq!(found.pins, Paths::default().pins);
    }

    #[test]
    fn paths_that_cannot_be_read_are_an_error() {
        let (_directory, places) = written("[paths]\npin = \"/sys/fs/bpf/plant\"\n");
        let refused = places.paths().unwrap_err();
        assert!(
            refused.to_string().contains("config.toml:2: paths.pin"),
            "{refused}"
        );
        let missing = Places::new(Some("/nonexistent.toml".into()));
        assert!(matches!(
            missing.paths(),
            Err(ConfigError::Unreadable { .. })
        ));
    }
}
