//! The fields of a ClientHello that are parsed (RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3), in order. Each is a few bytes long and gives
//! the distance to the next one.

use super::field::Field;
use super::record::{HANDSHAKE_RECORD, MAJOR, MAX_RECORD};
use crate::reason::Reason;

/// Maximum length of an encrypted record (RFC 5246 section 6.2.3).
const MAX_ENCRYPTED: u16 = MAX_RECORD + 2048;
/// `ContentType` and `HandshakeType`.
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;
/// Highest byte of the length of the longest ClientHello that a server accepts: 131,396 bytes for OpenSSL (`CLIENT_HELLO_MAX_LENGTH`), fewer for
/// others.
const MAX_HELLO_HIGH: u8 = 2;
/// Length of version and random.
const VERSION_AND_RANDOM: u16 = 34;
const MAX_SESSION_ID: u16 = 32;
/// `ExtensionType` and `NameType`.
const SERVER_NAME: u16 = 0;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;
const HOST_NAME: u8 = 0;
/// RFC 1035 section 2.3.4, as text without the last dot.
const MAX_NAME: u16 = 253;

/// Position of the parser in a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub(super) struct Cursor {
    /// The code of the [`Field`].
    field: u8,
    /// Bytes of the field.
    pub(super) width: u8,
    /// Bytes before the field.
    pub(super) skip: u16,
    /// Bytes of the message after the field; of the record while the message's length is unknown.
    left: u16,
    /// A length that the field gave.
    pub(super) length: u16,
}

impl Cursor {
    /// Before the first byte.
    pub(super) const START: Self = Self::at(Field::Record, 0, 0);

    const fn at(field: Field, skip: u16, left: u16) -> Self {
        Self {
            field: field as u8,
            width: field.width(),
            skip,
            left,
            length: 0,
        }
    }

    pub(super) const fn failed(reason: Reason) -> Self {
        let mut cursor = Self::at(Field::Failed, 0, 0);
        cursor.length = reason as u16;
        cursor
    }

    #[inline(always)]
    pub(super) const fn is(self, field: Field) -> bool {
        self.field == field as u8
    }

    /// The reason of a denial.
    #[inline(always)]
    pub(super) const fn failure(self) -> Option<Reason> {
        if !self.is(Field::Failed) {
            return None;
        }
        Some(Reason::denial_from_code(
            self.length as u8,
            Reason::HelloUnreadable,
        ))
    }
}

impl Cursor {
    /// Bytes of the message, as far as its length is known, from the cursor on, if `have` bytes of the field were read.
    #[inline(always)]
    pub(super) fn remaining(self, have: u8) -> u32 {
        let skip = u32::from(self.skip);
        if self.is(Field::Next) {
            return skip;
        }
        skip.wrapping_add(self.missing(have))
            .wrapping_add(self.left.into())
    }

    /// Bytes of the field that are still to be read.
    #[inline(always)]
    pub(super) fn missing(self, have: u8) -> u32 {
        if self.is(Field::Name) {
            return self.length.into();
        }
        self.width.wrapping_sub(have).into()
    }
}

/// Whether an extension that begins with `word` allows a HelloRetryRequest: only TLS 1.3 has that.
#[inline(always)]
pub(super) const fn allows_second_hello(cursor: Cursor, word: u64) -> bool {
    let [a, b, ..] = word.to_le_bytes();
    let is_extension = cursor.is(Field::Extension) || cursor.is(Field::Later);
    is_extension && u16::from_be_bytes([a, b]) == SUPPORTED_VERSIONS
}

/// The cursor after a ClientHello that a second one may follow.
#[inline(always)]
pub(super) const fn behind_hello(end: Cursor) -> Cursor {
    Cursor::at(Field::Next, end.skip, 0)
}

/// The cursor after a field whose bytes are in `word`, the first one lowest; a name has no bytes in it. `unframed` is the number of bytes of the
/// message beyond its record.
#[inline(always)]
pub(super) fn advance(cursor: Cursor, word: u64, unframed: &mut u16) -> Cursor {
    let [a, b, c, d, e, f, ..] = word.to_le_bytes();
    let [first, second] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    let left = cursor.left;
    let next = match Field::from_code(cursor.field) {
        Field::Record => record(a, b, u16::from_be_bytes([d, e]), unframed),
        Field::Message if a != CLIENT_HELLO => Err(Reason::NotTls),
        Field::Message => hello(b, u16::from_be_bytes([c, d]), left, unframed),
        Field::Session if u16::from(a) > MAX_SESSION_ID => UNREADABLE,
        Field::Session => enter(Field::Suites, u16::from(a), left),
        Field::Suites if first == 0 || first % 2 != 0 => UNREADABLE,
        Field::Suites => enter(Field::Compressions, first, left),
        Field::Compressions if a == 0 => UNREADABLE,
        Field::Compressions if u16::from(a) == left => Err(Reason::NoServerName),
        Field::Compressions => enter(Field::Extensions, u16::from(a), left),
        Field::Extensions if first != left => UNREADABLE,
        Field::Extensions if left == 0 => Err(Reason::NoServerName),
        Field::Extensions => enter(Field::Extension, 0, left),
        // Records of early data may come between the ClientHello and a second one.
        Field::Extension | Field::Later if first == EARLY_DATA => Err(Reason::EarlyData),
        Field::Extension if first == SERVER_NAME => server_name(second, left),
        Field::Extension if second == left => Err(Reason::NoServerName),
        Field::Extension => enter(Field::Extension, second, left),
        Field::ServerName => name(cursor, first, c, u16::from_be_bytes([d, e])),
        Field::Name => behind(0, left),
        Field::Later if first == SERVER_NAME => UNREADABLE,
        Field::Later => behind(second, left),
        Field::Next => next(a, b, u16::from_be_bytes([d, e]), f, unframed),
        Field::SecondHello if a > MAX_HELLO_HIGH => Ok(Cursor::at(Field::End, 0, 0)),
        Field::SecondHello => hello(a, u16::from_be_bytes([b, c]), left, unframed),
        Field::End | Field::Failed => UNREADABLE,
    };
    match next {
        Ok(cursor) => cursor,
        Err(reason) => Cursor::failed(reason),
    }
}

/// The cursor when only the first `have` bytes of its field, at least one, are there: what can no longer become TLS is denied without the rest.
#[inline(always)]
pub(super) fn begun(cursor: Cursor, word: u64, have: u32) -> Cursor {
    let [kind, major, ..] = word.to_le_bytes();
    let is_tls = kind == HANDSHAKE_RECORD && (have < 2 || major == MAJOR);
    if cursor.is(Field::Record) && !is_tls {
        return Cursor::failed(Reason::NotTls);
    }
    cursor
}

const UNREADABLE: Result<Cursor, Reason> = Err(Reason::HelloUnreadable);

/// The cursor before `field`, which `skip` of the `left` bytes precede.
#[inline(always)]
fn enter(field: Field, skip: u16, left: u16) -> Result<Cursor, Reason> {
    let before = skip.checked_add(field.width().into());
    let left = before.and_then(|before| left.checked_sub(before));
    let left = left.ok_or(Reason::HelloUnreadable)?;
    Ok(Cursor::at(field, skip, left))
}

#[inline(always)]
fn record(kind: u8, major: u8, len: u16, unframed: &mut u16) -> Result<Cursor, Reason> {
    if kind != HANDSHAKE_RECORD || major != MAJOR {
        return Err(Reason::NotTls);
    }
    if len == 0 || len > MAX_RECORD {
        return UNREADABLE;
    }
    Ok(begin_message(Field::Message, len, unframed))
}

/// The cursor before `field`, the last of a message's header, in a record with `len` more bytes.
#[inline(always)]
fn begin_message(field: Field, len: u16, unframed: &mut u16) -> Cursor {
    let width = u16::from(field.width());
    *unframed = width.saturating_sub(len);
    Cursor::at(field, 0, len.saturating_sub(width))
}

/// The cursor in a ClientHello of length `high << 16 | len`, in a record with `left` more bytes.
#[inline(always)]
fn hello(high: u8, len: u16, left: u16, unframed: &mut u16) -> Result<Cursor, Reason> {
    if high != 0 || len < left {
        return UNREADABLE;
    }
    *unframed = len.wrapping_sub(left);
    enter(Field::Session, VERSION_AND_RANDOM, len)
}

/// The cursor in a further record of `len` bytes; subtracts them from `unframed`.
///
/// # Errors
/// [`Reason::HelloUnreadable`] if the record extends past the message.
#[inline(always)]
pub(super) fn continued(cursor: Cursor, len: u16, unframed: &mut u16) -> Result<Cursor, Reason> {
    let more = len.saturating_sub(*unframed);
    *unframed = unframed.saturating_sub(len);
    if more == 0 {
        return Ok(cursor);
    }
    if !cursor.is(Field::Message) && !cursor.is(Field::SecondHello) {
        return Err(Reason::HelloUnreadable);
    }
    Ok(Cursor {
        left: more,
        ..cursor
    })
}

/// The cursor after the header of a record after a ClientHello; its `len` bytes of content begin with `first`.
#[inline(always)]
fn next(kind: u8, major: u8, len: u16, first: u8, unframed: &mut u16) -> Result<Cursor, Reason> {
    let Some(rest) = len.checked_sub(1) else {
        return UNREADABLE;
    };
    if major != MAJOR || len > MAX_ENCRYPTED {
        return UNREADABLE;
    }
    match kind {
        CHANGE_CIPHER_SPEC | ALERT => Ok(Cursor::at(Field::Next, rest, 0)),
        // An encrypted TLS 1.2 message could begin with this type as well, but hardly with such a length.
        HANDSHAKE_RECORD if first == CLIENT_HELLO => {
            Ok(begin_message(Field::SecondHello, rest, unframed))
        }
        HANDSHAKE_RECORD | APPLICATION_DATA => Ok(Cursor::at(Field::End, 0, 0)),
        _ => Err(Reason::NotTls),
    }
}

/// The cursor in the server_name extension of `len` bytes.
#[inline(always)]
fn server_name(len: u16, left: u16) -> Result<Cursor, Reason> {
    if len > left {
        return UNREADABLE;
    }
    let mut cursor = enter(Field::ServerName, 0, left)?;
    cursor.length = len;
    Ok(cursor)
}

/// The cursor before the name, the only one of a list that fills its extension.
#[inline(always)]
fn name(cursor: Cursor, list: u16, kind: u8, len: u16) -> Result<Cursor, Reason> {
    let fills = cursor.length.checked_sub(2) == Some(list) && list.checked_sub(3) == Some(len);
    if !fills || kind != HOST_NAME || len == 0 || len > MAX_NAME {
        return UNREADABLE;
    }
    let left = cursor.left.checked_sub(len);
    let mut next = Cursor::at(Field::Name, 0, left.ok_or(Reason::HelloUnreadable)?);
    next.length = len;
    Ok(next)
}

/// The cursor before the field after the server name, which `skip` bytes precede.
#[inline(always)]
fn behind(skip: u16, left: u16) -> Result<Cursor, Reason> {
    if skip == left {
        return Ok(Cursor::at(Field::End, skip, 0));
    }
    enter(Field::Later, skip, left)
}
