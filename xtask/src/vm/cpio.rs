//! The archives that a kernel unpacks into its first file system: "newc", as in the kernel's
//! Documentation/driver-api/early-userspace/buffer-format.rst. Several may stand one behind the other.

use std::{
    fs,
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::Path,
};

use anyhow::{Context as _, Result};

const DIRECTORY: u32 = 0o040_755;
const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;
const LINK: u32 = 0o120_777;

/// An archive that grows by calls. Everything in it belongs to root.
#[derive(Debug)]
pub(crate) struct Archive<W: Write> {
    out: W,
    inode: u32,
}

impl<W: Write> Archive<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, inode: 1 }
    }

    /// A directory; the ones above it have to be there.
    ///
    /// # Errors
    /// When the archive cannot be written; so do all below.
    pub(crate) fn directory(&mut self, path: &str) -> Result<()> {
        self.entry(path, DIRECTORY, (0, 0), &[])
    }

    /// Every directory of the absolute path `path`.
    ///
    /// # Errors
    /// As [`Archive::directory`].
    pub(crate) fn directories(&mut self, path: &Path) -> Result<()> {
        let mut above: Vec<&Path> = path.ancestors().collect();
        above.reverse();
        for dir in above {
            let name = dir.to_string_lossy();
            if name != "/" && !name.is_empty() {
                self.directory(name.trim_start_matches('/'))?;
            }
        }
        Ok(())
    }

    pub(crate) fn file(&mut self, path: &str, contents: &[u8]) -> Result<()> {
        self.entry(path, FILE, (0, 0), contents)
    }

    pub(crate) fn program(&mut self, path: &str, contents: &[u8]) -> Result<()> {
        self.entry(path, PROGRAM, (0, 0), contents)
    }

    pub(crate) fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.entry(path, LINK, (0, 0), target.as_bytes())
    }

    pub(crate) fn character_device(&mut self, path: &str, major: u32, minor: u32) -> Result<()> {
        self.entry(path, CHARACTER_DEVICE, (major, minor), &[])
    }

    /// What is below `root`, but for the paths (relative to it) that `skip` names, at `place` in the archive.
    ///
    /// # Errors
    /// When something cannot be read.
    pub(crate) fn tree(
        &mut self,
        root: &Path,
        place: &str,
        skip: &dyn Fn(&Path) -> bool,
    ) -> Result<()> {
        let mut dirs = vec![root.to_path_buf()];
        while let Some(dir) = dirs.pop() {
            for entry in
                fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?
            {
                let path = entry?.path();
                let inside = path.strip_prefix(root)?;
                if skip(inside) {
                    continue;
                }
                let name = Path::new(place).join(inside);
                if self.copy(&path, &name.to_string_lossy())? {
                    dirs.push(path);
                }
            }
        }
        Ok(())
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// As [`Archive::directory`].
    pub(crate) fn close(mut self) -> Result<()> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        Ok(self.out.flush()?)
    }

    /// Whether it is a directory.
    fn copy(&mut self, path: &Path, name: &str) -> Result<bool> {
        let meta = path.symlink_metadata()?;
        let kind = meta.file_type();
        let contents = if kind.is_symlink() {
            fs::read_link(path)?.as_os_str().as_bytes().to_vec()
        } else if kind.is_file() {
            fs::read(path).with_context(|| format!("cannot read {}", path.display()))?
        } else {
            Vec::new()
        };
        if !(kind.is_socket() || kind.is_fifo()) {
            self.entry(name, meta.mode(), (0, 0), &contents)?;
        }
        Ok(kind.is_dir())
    }

    fn entry(
        &mut self,
        name: &str,
        mode: u32,
        (major, minor): (u32, u32),
        contents: &[u8],
    ) -> Result<()> {
        self.inode += 1;
        let size = u32::try_from(contents.len()).context("a file too large for an archive")?;
        let name_size = u32::try_from(name.len() + 1)?;
        let Self { out, inode } = self;
        // Magic, inode, mode, owner, group, links, time, size, device, the device that the file is, name, checksum.
        let fields = [
            *inode, mode, 0, 0, 1, 0, size, 0, 0, major, minor, name_size, 0,
        ];
        write!(out, "070701")?;
        for field in fields {
            write!(out, "{field:08X}")?;
        }
        out.write_all(name.as_bytes())?;
        out.write_all(&[0])?;
        pad(out, 110 + name.len() + 1)?;
        out.write_all(contents)?;
        Ok(pad(out, contents.len())?)
    }
}

fn pad(out: &mut impl Write, length: usize) -> io::Result<()> {
    out.write_all(&[0; 3][..length.wrapping_neg() % 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_begins_at_a_multiple_of_four() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.directory("d").unwrap();
        archive.program("d/run", b"12345").unwrap();
        archive.close().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let starts: Vec<usize> = (0..bytes.len())
            .filter(|at| bytes[*at..].starts_with(b"070701"))
            .collect();
        assert_eq!(starts.len(), 3);
        assert!(starts.iter().all(|at| at % 4 == 0), "{starts:?}");
        assert!(bytes.windows(5).any(|part| part == b"12345"));
    }

    #[test]
    fn a_path_brings_every_directory_above_it() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.directories(Path::new("/a/b")).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("a\0") && text.contains("a/b\0"), "{text}");
    }
}
