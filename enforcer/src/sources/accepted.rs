//! The last accepted configuration, which replaces an invalid one at a start so that a restart does not end enforcement.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{Options, Source, Sources};
use crate::config;
use crate::state::write_whole;

/// Name of the copy in the state directory.
const FILE: &str = "accepted.toml";

impl Sources {
    /// Reads everything that `options` name. If the configuration is refused and an earlier one was accepted, uses that one; the second value
    /// is then the reason. Files that a configuration names are read from their paths; persisted contents replace one that cannot be used.
    ///
    /// # Errors
    /// As [`Sources::read`], if no copy can be used either.
    pub(crate) fn read_or_accepted(options: &Options) -> Result<(Self, Option<String>)> {
        let refused = match Self::read(options) {
            Ok(sources) => return Ok((sources, None)),
            Err(refused) => refused,
        };
        let Source::File(file) = &options.source else {
            return Err(refused);
        };
        let with_persisted = || Self::of_text_and_persisted(config::read(file)?, file, options);
        if let Some(sources) = (!options.ephemeral)
            .then(with_persisted)
            .and_then(Result::ok)
        {
            return Ok((sources, None));
        }
        let state = config::load_paths(file).unwrap_or_default().state;
        let copy = state.join(FILE);
        if options.ephemeral || !copy.exists() {
            return Err(refused);
        }
        let accepted =
            text_of_root(&copy).and_then(|text| Self::of_text_and_persisted(text, file, options));
        match accepted {
            Ok(sources) => Ok((sources, Some(complaint(&refused, &copy)))),
            Err(error) => Err(refused.context(format!(
                "the last accepted configuration ({}) is of no use either ({error:#})",
                copy.display()
            ))),
        }
    }
}

/// Saves `text` for the next start in the directory `state`.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn keep_configuration(state: &Path, text: &str) -> io::Result<()> {
    save_copy(&state.join(FILE), text)
}

fn complaint(refused: &anyhow::Error, copy: &Path) -> String {
    format!(
        "the configuration is refused and the last accepted one ({}) is in force: {refused:#}",
        copy.display()
    )
}

/// Reads the text of a file that only root can have written.
fn text_of_root(path: &PathBuf) -> Result<String> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || found.uid() != 0 || found.mode() & 0o022 != 0 {
        bail!("it is not root's alone");
    }
    config::read(path).context("cannot be read")
}

/// Writes the copy, unless it has this text.
fn save_copy(copy: &Path, text: &str) -> io::Result<()> {
    if fs::read(copy).is_ok_and(|saved| saved == text.as_bytes()) {
        return Ok(());
    }
    write_whole(copy, 0o600, |file| file.write_all(text.as_bytes()))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", copy.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A state directory, and the options of a start with its configuration.
    struct Fixture {
        directory: tempfile::TempDir,
        options: Options,
    }

    impl Fixture {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let options = Options {
                source: Source::File(directory.path().join("config.toml")),
                audit: false,
                ephemeral: false,
                scope: None,
            };
            Self { directory, options }
        }

        fn copy(&self) -> PathBuf {
            self.directory.path().join(FILE)
        }

        fn write(&self, more: &str) -> String {
            let state = self.directory.path();
            let text = format!("registry = []\n{more}\n[paths]\nstate = {state:?}\n");
            fs::write(state.join("config.toml"), &text).unwrap();
            text
        }

        fn read(&self) -> Result<(Sources, Option<String>)> {
            Sources::read_or_accepted(&self.options)
        }
    }

    #[test]
    fn the_accepted_configuration_replaces_an_invalid_one_with_a_message() {
        let mut fixture = Fixture::new();
        let accepted = fixture.write("mode = \"audit\"");
        let (_, refused) = fixture.read().unwrap();
        assert_eq!(refused, None);
        save_copy(&fixture.copy(), &accepted).unwrap();
        fixture.write("mode = \"off\"");
        let (sources, refused) = fixture.read().unwrap();
        assert_eq!(sources.config.mode, config::Mode::Audit);
        let message = refused.unwrap();
        assert!(
            message.contains("config.toml:2") && message.contains(FILE),
            "{message}"
        );
        fixture.options.ephemeral = true;
        assert!(fixture.read().is_err());
    }

    #[test]
    fn without_a_copy_that_only_root_can_write_an_invalid_configuration_is_refused() {
        let fixture = Fixture::new();
        let accepted = fixture.write("");
        fixture.write("mode = \"off\"");
        assert!(fixture.read().is_err());
        save_copy(&fixture.copy(), &accepted).unwrap();
        fs::set_permissions(fixture.copy(), fs::Permissions::from_mode(0o620)).unwrap();
        let refused = format!("{:#}", fixture.read().err().unwrap());
        assert!(
            refused.contains("not root's alone") && refused.contains("config.toml:2"),
            "{refused}"
        );
        fs::remove_file(fixture.copy()).unwrap();
        std::os::unix::fs::symlink("config.toml", fixture.copy()).unwrap();
        assert!(fixture.read().is_err(), "a link is nobody's copy");
    }

    #[test]
    fn the_copy_is_readable_by_root_only_and_not_rewritten_if_unchanged() {
        let fixture = Fixture::new();
        save_copy(&fixture.copy(), "a").unwrap();
        let inode = |found: fs::Metadata| (found.ino(), found.mode() & 0o777);
        let first = inode(fs::metadata(fixture.copy()).unwrap());
        assert_eq!(first.1, 0o600);
        save_copy(&fixture.copy(), "a").unwrap();
        assert_eq!(inode(fs::metadata(fixture.copy()).unwrap()), first);
        save_copy(&fixture.copy(), "b").unwrap();
        assert_eq!(fs::read(fixture.copy()).unwrap(), b"b");
    }
}
