//! Reads the log, oldest event first.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::chain::{Line, MAX_LINE};
use super::directory::files;
use crate::core::EventRecord;

/// Iterates over the events from a time on. Damaged lines are skipped: [`verify`](super::verify()) reports them.
#[derive(Debug)]
pub(crate) struct Reader {
    from: Timestamp,
    files: VecDeque<PathBuf>,
    open: Option<BufReader<File>>,
}

impl Reader {
    /// Reads the log in `directory`; no event if it does not exist.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub(crate) fn open(directory: &Path, from: Timestamp) -> io::Result<Self> {
        let mut files: VecDeque<PathBuf> = files(directory)?
            .into_iter()
            .map(|file| file.path)
            .collect();
        // A file is of no interest if the one after it begins before that time.
        while let Some(next) = files.get(1)
            && begins(next)?.is_some_and(|time| time < from)
        {
            files.pop_front();
        }
        Ok(Self {
            from,
            files,
            open: None,
        })
    }

    /// Reads the last two files of the log only.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub(crate) fn open_last(directory: &Path) -> io::Result<Self> {
        let mut reader = Self::open(directory, Timestamp::MIN)?;
        let skipped = reader.files.len().saturating_sub(2);
        reader.files.drain(..skipped);
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
                Ok(file) => Some(BufReader::new(file)),
                // The daemon has removed the oldest one meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
        }
    }
}

impl Iterator for Reader {
    type Item = io::Result<EventRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.next_line().transpose()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            let event = Line::parse(&line).ok().map(|line| line.event);
            if let Some(event) = event.filter(|event| event.time >= self.from) {
                return Some(Ok(event));
            }
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

fn begins(path: &Path) -> io::Result<Option<Timestamp>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let line = read_line(&mut BufReader::new(file))?;
    let line = line.and_then(|line| Line::parse(&line).ok());
    Ok(line.map(|line| line.event.time))
}
