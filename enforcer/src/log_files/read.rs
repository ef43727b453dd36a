//! Reads the log, oldest entry first.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::chain::{Entry, Line, MAX_LINE};
use super::directory::{LogFile, files};

/// Iterates over the entries from a time on. Damaged lines are skipped: [`verify`](super::verify()) reports them.
#[derive(Debug)]
pub(crate) struct Reader {
    from: Timestamp,
    files: VecDeque<PathBuf>,
    open: Option<BufReader<File>>,
    /// Length of what is read at the end of each file, in bytes.
    tail: u64,
}

impl Reader {
    /// Reads the log in `directory`; no entry if it does not exist.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub(crate) fn open(directory: &Path, from: Timestamp) -> io::Result<Self> {
        // A file that was not written since has no event since.
        let is_of_interest = |file: &LogFile| {
            let modified = Timestamp::try_from(file.modified);
            modified.map_or(true, |modified| modified >= from)
        };
        let files = files(directory)?.into_iter().filter(is_of_interest);
        Ok(Self {
            from,
            files: files.map(|file| file.path).collect(),
            open: None,
            tail: u64::MAX,
        })
    }

    /// Reads the ends of the last two files only, `tail` bytes of each.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub(crate) fn open_last(directory: &Path, tail: u64) -> io::Result<Self> {
        let mut reader = Self::open(directory, Timestamp::MIN)?;
        let skipped = reader.files.len().saturating_sub(2);
        reader.files.drain(..skipped);
        reader.tail = tail;
        Ok(reader)
    }

    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(file) = &mut self.open
                && let Some(line) = read_line(file)?
            {
                return Ok(Some(line));
            }
            let Some(path) = self.files.pop_front() else {
                return Ok(None);
            };
            self.open = match File::open(path) {
                Ok(file) => Some(at_line(file, self.tail)?),
                // The daemon has removed the oldest one meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
    }
}

impl Iterator for Reader {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.next_line().transpose()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            let entry = Line::parse(&line).ok().map(|line| line.entry);
            if let Some(entry) = entry.filter(|entry| entry.event.time >= self.from) {
                return Some(Ok(entry));
            }
        }
    }
}

/// Moves to the first line that begins within the last `tail` bytes.
fn at_line(mut file: File, tail: u64) -> io::Result<BufReader<File>> {
    let length = file.metadata()?.len();
    match length.checked_sub(tail) {
        None | Some(0) => Ok(BufReader::new(file)),
        Some(skipped) => {
            // The line feed before it.
            file.seek(SeekFrom::Start(skipped - 1))?;
            let mut reader = BufReader::new(file);
            reader.skip_until(b'\n')?;
            Ok(reader)
        }
    }
}

/// Returns the next complete line with its line feed, or [`MAX_LINE`] bytes of a longer one; `None` at the end, and for a line that is being
/// written.
pub(super) fn read_line(file: &mut impl io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    file.take(MAX_LINE as u64).read_until(b'\n', &mut line)?;
    let is_line = line.last() == Some(&b'\n') || line.len() == MAX_LINE;
    Ok(is_line.then_some(line))
}
