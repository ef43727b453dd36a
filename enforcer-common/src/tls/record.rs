//! The TLS records that carry one ClientHello (RFC 8446 section 5.1).
//!
//! A client with a small record size (RFC 8449, or its own setting) splits the message over several records. They are parsed as long as no server
//! can parse them differently: each is a handshake record with content, nothing comes between them, and the last one ends with the message.

use crate::reason::Reason;

/// Maximum length of a plaintext record.
pub(super) const MAX_RECORD: u16 = 1 << 14;
/// Maximum number of records of one ClientHello. With OpenSSL's smallest, of 512 bytes, it can have 32 KiB.
const MAX_RECORDS: u8 = 64;
/// Length of a header: type, version and length.
const HEADER: u8 = 5;
/// `ContentType` of handshake messages.
pub(super) const HANDSHAKE_RECORD: u8 = 22;
/// The first byte of the version, from SSL 3.0 to TLS 1.3.
pub(super) const MAJOR: u8 = 3;

/// Records of a ClientHello after its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub(super) struct Continuation {
    /// Bytes read of an incomplete header.
    header: u8,
    /// High byte of the length in that header.
    high: u8,
    /// Number of complete headers.
    records: u8,
}

impl Continuation {
    /// No further record yet.
    pub(super) const NONE: Self = Self {
        header: 0,
        high: 0,
        records: 0,
    };

    /// Whether the header of a further record has begun.
    #[inline(always)]
    pub(super) const fn is_begun(self) -> bool {
        self.header != 0 || self.records != 0
    }

    /// Bytes that are missing from the header.
    #[inline(always)]
    pub(super) fn missing(self) -> u32 {
        HEADER.wrapping_sub(self.header).into()
    }

    /// Parses the next `len` bytes of a header, at most those that are missing, the first one lowest. Returns the length of the record's content once
    /// the header is complete.
    ///
    /// # Errors
    /// [`Reason::HelloUnreadable`] for a record that does not continue a ClientHello, as soon as a byte shows it.
    #[inline(always)]
    pub(super) fn header(&mut self, word: u64, len: u32) -> Result<Option<u16>, Reason> {
        let had = self.header;
        let have = had.wrapping_add(len as u8);
        let word = word << (u32::from(had).wrapping_mul(8) & 63);
        let [kind, major, _, high, low, ..] = word.to_le_bytes();
        let is_other = had == 0 && kind != HANDSHAKE_RECORD;
        if is_other || had < 2 && have >= 2 && major != MAJOR {
            return Err(Reason::HelloUnreadable);
        }
        if had < 4 && have >= 4 {
            self.high = high;
        }
        if have < HEADER {
            self.header = have;
            return Ok(None);
        }
        let content = u16::from_be_bytes([self.high, low]);
        [self.header, self.high] = [0; 2];
        self.records = self.records.wrapping_add(1);
        if content == 0 || content > MAX_RECORD || self.records >= MAX_RECORDS {
            return Err(Reason::HelloUnreadable);
        }
        Ok(Some(content))
    }
}
