//! Reading input files with an upper bound on what they take up.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The bytes of the file at `path`, or `None` when it has more than `limit` bytes.
pub(super) fn read_up_to(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    let expected = file.metadata()?.len();
    if expected > limit {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    let read = file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((u64::try_from(read).is_ok_and(|read| read <= limit)).then_some(bytes))
}

/// `bytes` without the UTF-8 byte order mark that some tools put before a file.
pub(super) fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"12345").unwrap();
        assert_eq!(
            read_up_to(file.path(), 5).unwrap().as_deref(),
            Some(&b"12345"[..])
        );
        assert_eq!(read_up_to(file.path(), 4).unwrap(), None);
        assert_eq!(read_up_to(Path::new("/dev/zero"), 1024).unwrap(), None);
    }
}
