//! Appends entries to the log.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::chain::{Entry, LineHash, MAX_LINE, Numbered, line};
use super::directory::{LogFile, files, path};
use super::read::read_line;

/// Files of a full log, unless they would be too large: the oldest one goes first.
const FILES: u64 = 8;
/// The largest file, in bytes: a start reads the last one.
const MAX_FILE: u64 = 4 << 20;

/// The open log. After an error it is to be opened again.
pub(crate) struct Appender {
    directory: PathBuf,
    /// Largest size of the log, and of one file, in bytes.
    size: u64,
    file_size: u64,
    number: u64,
    file: File,
    length: u64,
    previous: LineHash,
    is_synced: bool,
}

/// The log of earlier runs, continued.
pub(crate) struct Opened {
    pub(crate) log: Appender,
    /// Highest sequence number of the file that is continued; 0 if there is none.
    pub(crate) last_sequence: u64,
    /// Bytes of an incomplete last line that were removed: the host stopped, or the disk was full, while it was written.
    pub(crate) incomplete: u64,
}

impl Appender {
    /// Opens the log in `directory` with at most `size` bytes, or creates it with mode 0700.
    ///
    /// # Errors
    /// If it cannot be read or written, or another process appends to it.
    pub(crate) fn open(directory: &Path, size: u64) -> io::Result<Opened> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        let mut earlier = files(directory)?;
        let number = earlier.pop().map_or(1, |file| file.number);
        let file = open_file(directory, number)?;
        let mut end = End::of(&file)?;
        if end.incomplete > 0 {
            file.set_len(end.complete)?;
        }
        if let Some(before) = earlier.pop() {
            // Sums of floods have lower numbers than what was written before them.
            let before = End::of(&File::open(before.path)?)?;
            end.last_sequence = end.last_sequence.max(before.last_sequence);
            if end.complete == 0 {
                // The host stopped right after the file was created.
                end.hash = before.hash;
            }
        }
        let file_size = (size / FILES).clamp(MAX_LINE as u64, MAX_FILE);
        let mut log = Self {
            directory: directory.to_owned(),
            size: size.max(FILES * file_size),
            file_size,
            number,
            file,
            length: end.complete,
            previous: end.hash,
            is_synced: end.incomplete == 0,
        };
        log.remove_oldest()?;
        Ok(Opened {
            log,
            last_sequence: end.last_sequence,
            incomplete: end.incomplete,
        })
    }

    /// Appends an entry.
    ///
    /// # Errors
    /// If it cannot be written. Its line may then be incomplete: [`Appender::open`] removes it.
    pub(crate) fn append(&mut self, entry: &Entry) -> io::Result<()> {
        let mut text = line(self.previous, entry)?;
        let hash = LineHash::of(&text);
        text.push(b'\n');
        let added = text.len() as u64;
        if self.length > 0 && self.length + added > self.file_size {
            self.rotate()?;
        }
        self.is_synced = false;
        self.file.write_all(&text)?;
        self.length += added;
        self.previous = hash;
        Ok(())
    }

    /// Returns the hash of the last line.
    pub(crate) fn head(&self) -> LineHash {
        self.previous
    }

    /// Waits until everything that was appended is on the disk.
    ///
    /// # Errors
    /// If the disk fails, or somebody removed or shortened the file.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if !self.is_synced {
            self.file.sync_data()?;
            self.is_synced = true;
            let found = self.file.metadata()?;
            if found.nlink() == 0 || found.len() != self.length {
                return Err(io::Error::other(
                    "somebody removed or changed its last file",
                ));
            }
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        let next = self.number.checked_add(1);
        let next = next.ok_or_else(|| io::Error::other("the last file has the last number"))?;
        self.file = open_file(&self.directory, next)?;
        self.number = next;
        self.length = 0;
        File::open(&self.directory)?.sync_all()?;
        self.remove_oldest()
    }

    /// Removes the oldest files while the log is too large, with room for the current one.
    fn remove_oldest(&mut self) -> io::Result<()> {
        let files = files(&self.directory)?;
        let rest = files.iter().filter(|file| file.number != self.number);
        let mut total = self.file_size + rest.map(|file| file.length).sum::<u64>();
        for LogFile {
            path,
            length,
            number,
            ..
        } in files
        {
            if total <= self.size || number == self.number {
                break;
            }
            fs::remove_file(path)?;
            total -= length;
        }
        Ok(())
    }
}

fn open_file(directory: &Path, number: u64) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path(directory, number))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another process appends to it",
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What a file of the log ends with.
struct End {
    /// Length of its complete lines, in bytes.
    complete: u64,
    incomplete: u64,
    hash: LineHash,
    last_sequence: u64,
}

impl End {
    fn of(file: &File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut reader = BufReader::new(file);
        let mut end = Self {
            complete: 0,
            incomplete: 0,
            hash: LineHash::NONE,
            last_sequence: 0,
        };
        let mut last = None;
        while let Some(mut line) = read_line(&mut reader)? {
            end.complete += line.len() as u64;
            line.pop_if(|byte| *byte == b'\n');
            end.last_sequence = end.last_sequence.max(Numbered::sequence(&line));
            last = Some(line);
        }
        if let Some(last) = last {
            // A damaged line is hashed as it is: `verify` reports it, and the lines after it are good.
            end.hash = LineHash::of(&last);
        }
        end.incomplete = length.saturating_sub(end.complete);
        Ok(end)
    }
}
