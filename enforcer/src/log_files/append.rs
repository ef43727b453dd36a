//! Appends events to the log.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::chain::{Line, LineHash, MAX_LINE, line};
use super::directory::{LogFile, files, path};
use crate::core::EventRecord;

/// The log has this many files at most; the oldest one goes when it is full.
const FILES: u64 = 8;

/// The open log.
pub(crate) struct Appender {
    directory: PathBuf,
    /// Largest length of a file, in bytes.
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
    /// Bytes of an incomplete last line that were removed: the host stopped while it was written.
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
        let file_size = (size / FILES).max(MAX_LINE as u64);
        let mut earlier = files(directory)?;
        let number = earlier.pop().map_or(1, |file| file.number);
        let mut file = open_file(directory, number)?;
        let mut end = End::of(&mut file)?;
        if end.incomplete > 0 {
            file.set_len(end.complete)?;
        }
        file.seek(SeekFrom::Start(end.complete))?;
        if let Some(before) = earlier.pop().filter(|_| end.complete == 0) {
            // The host stopped right after the file was created.
            let before = End::of(&mut File::open(before.path)?)?;
            (end.hash, end.last_sequence) = (before.hash, before.last_sequence);
        }
        let mut log = Self {
            directory: directory.to_owned(),
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

    /// Appends an event.
    ///
    /// # Errors
    /// If it cannot be written; the log is then as before.
    pub(crate) fn append(&mut self, event: &EventRecord) -> io::Result<()> {
        let mut text = line(self.previous, event)?;
        let hash = LineHash::of(&text);
        text.push(b'\n');
        let added = text.len() as u64;
        if self.length > 0 && self.length + added > self.file_size {
            self.rotate()?;
        }
        self.is_synced = false;
        if let Err(error) = self.file.write_all(&text) {
            // A part of a line would spoil the next one. If this fails too, `verify` reports the line.
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            return Err(error);
        }
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
    /// If the disk fails.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if !self.is_synced {
            self.file.sync_data()?;
            self.is_synced = true;
        }
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.sync()?;
        self.file = open_file(&self.directory, self.number + 1)?;
        self.number += 1;
        self.length = 0;
        File::open(&self.directory)?.sync_all()?;
        self.remove_oldest()
    }

    /// Removes the oldest files while there are too many, or they are too large, as after a smaller size was configured.
    fn remove_oldest(&mut self) -> io::Result<()> {
        let files = files(&self.directory)?;
        let mut total: u64 = files.iter().map(|file| file.length).sum();
        let mut left = files.len() as u64;
        for LogFile {
            path,
            length,
            number,
        } in files
        {
            let is_within = left <= FILES && total <= FILES * self.file_size;
            if is_within || number == self.number {
                break;
            }
            fs::remove_file(path)?;
            total -= length;
            left -= 1;
        }
        Ok(())
    }
}

fn open_file(directory: &Path, number: u64) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
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

/// What the last file of the log ends with.
struct End {
    /// Length of its complete lines, in bytes.
    complete: u64,
    incomplete: u64,
    hash: LineHash,
    last_sequence: u64,
}

impl End {
    fn of(file: &mut File) -> io::Result<Self> {
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let complete = text.iter().rposition(|byte| *byte == b'\n');
        let complete = complete.map_or(0, |at| at + 1);
        let mut end = Self {
            complete: complete as u64,
            incomplete: (text.len() - complete) as u64,
            hash: LineHash::NONE,
            last_sequence: 0,
        };
        for line in text[..complete].split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            // A damaged line is hashed as it is: `verify` reports it, and the lines after it are good.
            end.hash = LineHash::of(line);
            if let Ok(Line { event, .. }) = Line::parse(line) {
                end.last_sequence = end.last_sequence.max(event.sequence);
            }
        }
        Ok(end)
    }
}
