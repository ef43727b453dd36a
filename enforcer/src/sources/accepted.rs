//! The last configuration that was accepted: what a start with an invalid one goes by, so that a restart does not end enforcement.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::{Options, Source, Sources};
use crate::config;
use crate::state::write_whole;

/// The copy, in the state directory.
const FILE: &str = "accepted.toml";

impl Sources {
    /// Reads everything that `options` name. Where the configuration is refused and an earlier one was accepted, that one counts, and the
    /// second value says so. Files that it names are read where the configuration names them; of one that cannot be used, what was last
    /// kept of its contents counts.
    ///
    /// # Errors
    /// As [`Sources::read`], where no copy can be used either.
    pub(crate) fn read_or_accepted(options: &Options) -> Result<(Self, Option<String>)> {
        let refused = match Self::read(options) {
            Ok(sources) => return Ok((sources, None)),
            Err(refused) => refused,
        };
        let Source::File(file) = &options.source else {
            return Err(refused);
        };
        let kept = || Self::of_text_and_kept(config::read(file)?, file, options);
        if let Some(sources) = (!options.ephemeral).then(kept).and_then(Result::ok) {
            return Ok((sources, None));
        }
        let state = config::load_paths(file).unwrap_or_default().state;
        let copy = state.join(FILE);
        if options.ephemeral || !copy.exists() {
            return Err(refused);
        }
        let accepted =
            text_of_root(&copy).and_then(|text| Self::of_text_and_kept(text, file, options));
        match accepted {
            Ok(sources) => Ok((sources, Some(complaint(&refused, &copy)))),
            Err(error) => Err(refused.context(format!(
                "the last accepted configuration ({}) is of no use either ({error:#})",
                copy.display()
            ))),
        }
    }
}

/// Keeps `text` for the next start, in the directory `state`.
///
/// # Errors
/// Where it cannot be written.
pub(crate) fn keep_configuration(state: &Path, text: &str) -> io::Result<()> {
    keep(&state.join(FILE), text)
}

fn complaint(refused: &anyhow::Error, copy: &Path) -> String {
    format!(
        "the configuration is refused and the last accepted one ({}) is in force: {refused:#}",
        copy.display()
    )
}

/// The text of a file that nobody but root can have written.
fn text_of_root(path: &PathBuf) -> Result<String> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || found.uid() != 0 || found.mode() & 0o022 != 0 {
        bail!("it is not root's alone");
    }
    config::read(path).context("cannot be read")
}

/// Writes the copy, unless it is there already.
fn keep(copy: &Path, text: &str) -> io::Result<()> {
    if fs::read(copy).is_ok_and(|kept| kept == text.as_bytes()) {
        return Ok(());
    }
    write_whole(copy, 0o600, |file| file.write_all(text.as_bytes()))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", copy.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A state directory, and what a start with this configuration reads.
    struct Scene {
        directory: tempfile::TempDir,
        options: Options,
    }

    impl Scene {
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
    fn an_invalid_configuration_gives_way_to_the_accepted_one_and_is_told() {
        let mut scene = Scene::new();
        let accepted = scene.write("mode = \"audit\"");
        let (_, refused) = scene.read().unwrap();
        assert_eq!(refused, None);
        keep(&scene.copy(), &accepted).unwrap();
        scene.write("mode = \"off\"");
        let (sources, refused) = scene.read().unwrap();
        assert_eq!(sources.config.mode, config::Mode::Audit);
        let told = refused.unwrap();
        assert!(
            told.contains("config.toml:2") && told.contains(FILE),
            "{told}"
        );
        scene.options.ephemeral = true;
        assert!(scene.read().is_err());
    }

    #[test]
    fn without_a_copy_of_roots_own_an_invalid_configuration_is_refused() {
        let scene = Scene::new();
        let accepted = scene.write("");
        scene.write("mode = \"off\"");
        assert!(scene.read().is_err());
        keep(&scene.copy(), &accepted).unwrap();
        fs::set_permissions(scene.copy(), fs::Permissions::from_mode(0o620)).unwrap();
        let refused = format!("{:#}", scene.read().err().unwrap());
        assert!(
            refused.contains("not root's alone") && refused.contains("config.toml:2"),
            "{refused}"
        );
        fs::remove_file(scene.copy()).unwrap();
        std::os::unix::fs::symlink("config.toml", scene.copy()).unwrap();
        assert!(scene.read().is_err(), "a link is nobody's copy");
    }

    #[test]
    fn the_copy_is_for_root_and_not_written_again() {
        let scene = Scene::new();
        keep(&scene.copy(), "a").unwrap();
        let inode = |found: fs::Metadata| (found.ino(), found.mode() & 0o777);
        let first = inode(fs::metadata(scene.copy()).unwrap());
        assert_eq!(first.1, 0o600);
        keep(&scene.copy(), "a").unwrap();
        assert_eq!(inode(fs::metadata(scene.copy()).unwrap()), first);
        keep(&scene.copy(), "b").unwrap();
        assert_eq!(fs::read(scene.copy()).unwrap(), b"b");
    }
}
