//! Reads files of configured and conventional paths: regular files only, up to a size limit.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Reads the regular file at `path`; `None` if it has more than `limit` bytes. Follows symbolic links. Never blocks on another process: opens
/// a FIFO or device without blocking, and refuses it before reading.
///
/// # Errors
/// If the file cannot be read or is not a regular file.
pub(crate) fn read_up_to(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let (file, expected) = open_regular(path)?;
    if expected > limit {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    let read = file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((u64::try_from(read).is_ok_and(|read| read <= limit)).then_some(bytes))
}

/// Reads the regular file at `path` like [`read_up_to`].
///
/// # Errors
/// Like [`read_up_to`], and [`io::ErrorKind::FileTooLarge`] if it has more than `limit` bytes.
pub(crate) fn read_within(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_up_to(path, limit)?.ok_or_else(|| {
        let problem = format!("is larger than {limit} bytes");
        io::Error::new(io::ErrorKind::FileTooLarge, problem)
    })
}

/// Returns the `bytes` of a text file as UTF-8 without a byte order mark. UTF-16, which PowerShell's `>` writes, is recognized by its byte
/// order mark (Unicode 16, section 23.8), or by a zero byte beside the first character, which is ASCII in all formats that are read here.
/// Other bytes are returned unchanged, for the parser to refuse.
pub(crate) fn utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let decoded = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => return Cow::Borrowed(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [first, 0, ..] if *first != 0 => utf16(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => utf16(bytes, u16::from_be_bytes),
        _ => None,
    };
    decoded.map_or(Cow::Borrowed(bytes), |text| Cow::Owned(text.into_bytes()))
}

/// Decodes UTF-16 `bytes`; `None` if a unit or a surrogate pair is incomplete.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok().filter(|_| rest.is_empty())
}

/// Opens the regular file at `path`, and returns it with its length in bytes. A terminal does not become the controlling one.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            // The error of opening a socket (open(2)), or a device file without its device.
            Some(libc::ENXIO) => not_regular(),
            _ => error,
        })?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(not_regular());
    }
    Ok((file, metadata.len()))
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file")
}

/// Creates a FIFO without a writer: opening it for reading would block forever.
#[cfg(test)]
pub(crate) fn make_fifo(path: &Path) {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
    // SAFETY: the pointer is to a string that ends in NUL and outlives the call.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

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
        let error = read_within(file.path(), 4).unwrap_err();
        assert_eq!(error.to_string(), "is larger than 4 bytes");
    }

    #[test]
    fn a_file_longer_than_its_reported_size_is_read_up_to_the_limit() {
        let status = Path::new("/proc/self/status");
        assert_eq!(std::fs::metadata(status).unwrap().len(), 0);
        assert_eq!(read_up_to(status, 64).unwrap(), None);
    }

    #[test]
    fn special_files_are_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let (fifo, socket) = (directory.path().join("fifo"), directory.path().join("sock"));
        make_fifo(&fifo);
        let _listener = UnixListener::bind(&socket).unwrap();
        for path in [&fifo, &socket, directory.path(), Path::new("/dev/zero")] {
            let error = read_up_to(path, 1024).unwrap_err().to_string();
            assert_eq!(error, "is not a regular file", "{}", path.display());
        }
    }

    #[test]
    fn text_is_decoded_from_utf_8_and_utf_16() {
        let text = "{\"é\": \"\u{10348}\"}\r\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for bytes in [
            text.as_bytes().to_vec(),
            marked(b"\xef\xbb\xbf", text.as_bytes()),
            marked(b"\xff\xfe", &little),
            marked(b"\xfe\xff", &big),
            little.clone(),
            big,
        ] {
            assert_eq!(&*utf8(&bytes), text.as_bytes(), "{bytes:?}");
        }
        for broken in [
            marked(b"\xff\xfe", &little[..5]),
            marked(b"\xff\xfe", b"\x00\xd8"),
        ] {
            assert_eq!(&*utf8(&broken), broken, "stays for the parser to refuse");
        }
        for short in [&b""[..], b"{", b"\x00", b"\xff\xfe", b"\x00\x00"] {
            assert!(utf8(short).len() <= short.len());
        }
    }

    #[test]
    fn symbolic_links_are_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("..data"), directory.path().join("it"));
        std::fs::write(&file, b"text").unwrap();
        symlink("..data", &link).unwrap();
        assert_eq!(read_within(&link, 1024).unwrap(), b"text");
        std::fs::remove_file(&file).unwrap();
        let error = read_within(&link, 1024).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
