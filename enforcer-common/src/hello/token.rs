//! The fields of a ClientHello that are looked at (RFC 8446 sections 4.1.2 and 5.1, RFC 6066 section 3), one after another. Each is a few
//! bytes, and says how far it is to the next.

use super::record::{HANDSHAKE_RECORD, MAJOR, MAX_RECORD};
use crate::reason::Reason;

/// Bytes that an encrypted record can carry (RFC 5246 section 6.2.3).
const MAX_ENCRYPTED: u16 = MAX_RECORD + 2048;
/// `ContentType` and `HandshakeType`.
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;
/// The highest byte of the length of the longest hello that a server takes: OpenSSL 131,396 bytes (`CLIENT_HELLO_MAX_LENGTH`), others fewer.
const MAX_HELLO_HIGH: u8 = 2;
/// Version and random.
const VERSION_AND_RANDOM: u16 = 34;
const MAX_SESSION_ID: u16 = 32;
/// `ExtensionType` and `NameType`.
const SERVER_NAME: u16 = 0;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;
const HOST_NAME: u8 = 0;
/// RFC 1035 section 2.3.4, as text without the last dot.
const MAX_NAME: u16 = 253;

/// The field that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Step {
    /// Type, version and length of the record.
    Record = 0,
    /// Type and length of the message.
    Message = 1,
    /// The length of the session id.
    Session = 2,
    /// The length of the cipher suites.
    Suites = 3,
    /// The length of the compression methods.
    Compressions = 4,
    /// The length of all extensions.
    Extensions = 5,
    /// Type and length of an extension, before the server's name.
    Extension = 6,
    /// All before the name in its extension.
    ServerName = 7,
    /// The name, which [`Place::length`] bytes are left of.
    Name = 8,
    /// Type and length of an extension behind the server's name.
    Later = 9,
    /// The end of the hello.
    End = 10,
    /// Nothing: [`Place::length`] has the code of the [`Reason`].
    Failed = 11,
    /// Type, version, length and first byte of a record behind the hello: a server may ask for another hello (RFC 8446 section 4.1.4).
    Next = 12,
    /// The length of a message whose type is that of a hello.
    Another = 13,
}

impl Step {
    const fn width(self) -> u8 {
        match self {
            Self::Session | Self::Compressions => 1,
            Self::Suites | Self::Extensions => 2,
            Self::Message | Self::Extension | Self::Later => 4,
            Self::Another => 3,
            Self::Record | Self::ServerName => 5,
            Self::Next => 6,
            Self::Name | Self::End | Self::Failed => 0,
        }
    }

    const fn of(code: u8) -> Self {
        match code {
            0 => Self::Record,
            1 => Self::Message,
            2 => Self::Session,
            3 => Self::Suites,
            4 => Self::Compressions,
            5 => Self::Extensions,
            6 => Self::Extension,
            7 => Self::ServerName,
            8 => Self::Name,
            9 => Self::Later,
            10 => Self::End,
            12 => Self::Next,
            13 => Self::Another,
            _ => Self::Failed,
        }
    }
}

/// Where in a ClientHello a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub(super) struct Place {
    /// The code of the [`Step`].
    step: u8,
    /// Bytes of the field.
    pub(super) width: u8,
    /// Bytes before the field.
    pub(super) skip: u16,
    /// Bytes of the message behind the field; while the message's length is not known, of the record.
    left: u16,
    /// What the step says.
    pub(super) length: u16,
}

impl Place {
    /// Before the first byte.
    pub(super) const START: Self = Self::at(Step::Record, 0, 0);

    const fn at(step: Step, skip: u16, left: u16) -> Self {
        Self {
            step: step as u8,
            width: step.width(),
            skip,
            left,
            length: 0,
        }
    }

    pub(super) const fn failed(reason: Reason) -> Self {
        let mut place = Self::at(Step::Failed, 0, 0);
        place.length = reason as u16;
        place
    }

    #[inline(always)]
    pub(super) const fn is(self, step: Step) -> bool {
        self.step == step as u8
    }

    /// Why the hello is denied, where it is.
    #[inline(always)]
    pub(super) const fn failure(self) -> Option<Reason> {
        if !self.is(Step::Failed) {
            return None;
        }
        Some(match self.length {
            code if code == Reason::NotTls as u16 => Reason::NotTls,
            code if code == Reason::NoServerName as u16 => Reason::NoServerName,
            code if code == Reason::ServerNameAddress as u16 => Reason::ServerNameAddress,
            code if code == Reason::EarlyData as u16 => Reason::EarlyData,
            _ => Reason::HelloUnreadable,
        })
    }
}

impl Place {
    /// Bytes of the message, or of what is known of it, that lie before the end of the field and behind it, where `have` bytes of the field
    /// were read.
    #[inline(always)]
    pub(super) fn remaining(self, have: u8) -> u32 {
        let skip = u32::from(self.skip);
        if self.is(Step::Next) {
            return skip;
        }
        skip.wrapping_add(self.missing(have))
            .wrapping_add(self.left.into())
    }

    /// Bytes of the field that were not read.
    #[inline(always)]
    pub(super) fn missing(self, have: u8) -> u32 {
        if self.is(Step::Name) {
            return self.length.into();
        }
        self.width.wrapping_sub(have).into()
    }
}

/// Whether a server may ask for another hello, to judge by an extension that begins so: TLS 1.3 alone has that.
#[inline(always)]
pub(super) const fn may_be_another(place: Place, word: u64) -> bool {
    let [a, b, ..] = word.to_le_bytes();
    let is_extension = place.is(Step::Extension) || place.is(Step::Later);
    is_extension && u16::from_be_bytes([a, b]) == SUPPORTED_VERSIONS
}

/// The place behind a hello that another may follow.
#[inline(always)]
pub(super) const fn behind_hello(end: Place) -> Place {
    Place::at(Step::Next, end.skip, 0)
}

/// The place behind a field, whose bytes are in `word`, the first one lowest. Behind a name, no bytes. `unframed` is the number of bytes that
/// the message has beyond the record.
#[inline(always)]
pub(super) fn advance(place: Place, word: u64, unframed: &mut u16) -> Place {
    let [a, b, c, d, e, f, ..] = word.to_le_bytes();
    let [first, second] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    let left = place.left;
    let next = match Step::of(place.step) {
        Step::Record => record(a, b, u16::from_be_bytes([d, e]), unframed),
        Step::Message if a != CLIENT_HELLO => Err(Reason::NotTls),
        Step::Message => hello(b, u16::from_be_bytes([c, d]), left, unframed),
        Step::Session if u16::from(a) > MAX_SESSION_ID => UNREADABLE,
        Step::Session => enter(Step::Suites, u16::from(a), left),
        Step::Suites if first == 0 || first % 2 != 0 => UNREADABLE,
        Step::Suites => enter(Step::Compressions, first, left),
        Step::Compressions if a == 0 => UNREADABLE,
        Step::Compressions if u16::from(a) == left => Err(Reason::NoServerName),
        Step::Compressions => enter(Step::Extensions, u16::from(a), left),
        Step::Extensions if first != left => UNREADABLE,
        Step::Extensions if left == 0 => Err(Reason::NoServerName),
        Step::Extensions => enter(Step::Extension, 0, left),
        // Records of early data may lie between a hello and another one that the server asks for.
        Step::Extension | Step::Later if first == EARLY_DATA => Err(Reason::EarlyData),
        Step::Extension if first == SERVER_NAME => server_name(second, left),
        Step::Extension if second == left => Err(Reason::NoServerName),
        Step::Extension => enter(Step::Extension, second, left),
        Step::ServerName => name(place, first, c, u16::from_be_bytes([d, e])),
        Step::Name => behind(0, left),
        Step::Later if first == SERVER_NAME => UNREADABLE,
        Step::Later => behind(second, left),
        Step::Next => next(a, b, u16::from_be_bytes([d, e]), f, unframed),
        Step::Another if a > MAX_HELLO_HIGH => Ok(Place::at(Step::End, 0, 0)),
        Step::Another => hello(a, u16::from_be_bytes([b, c]), left, unframed),
        Step::End | Step::Failed => UNREADABLE,
    };
    match next {
        Ok(place) => place,
        Err(reason) => Place::failed(reason),
    }
}

/// The place while no more than the first `have` bytes of its field are there, 1 or more: what cannot become TLS any more waits for no others.
#[inline(always)]
pub(super) fn begun(place: Place, word: u64, have: u32) -> Place {
    let [kind, major, ..] = word.to_le_bytes();
    let is_tls = kind == HANDSHAKE_RECORD && (have < 2 || major == MAJOR);
    if place.is(Step::Record) && !is_tls {
        return Place::failed(Reason::NotTls);
    }
    place
}

const UNREADABLE: Result<Place, Reason> = Err(Reason::HelloUnreadable);

/// The field of `step` after `skip` bytes of the `left` ones.
#[inline(always)]
fn enter(step: Step, skip: u16, left: u16) -> Result<Place, Reason> {
    let before = skip.checked_add(step.width().into());
    let left = before.and_then(|before| left.checked_sub(before));
    let left = left.ok_or(Reason::HelloUnreadable)?;
    Ok(Place::at(step, skip, left))
}

#[inline(always)]
fn record(kind: u8, major: u8, len: u16, unframed: &mut u16) -> Result<Place, Reason> {
    if kind != HANDSHAKE_RECORD || major != MAJOR {
        return Err(Reason::NotTls);
    }
    if len == 0 || len > MAX_RECORD {
        return UNREADABLE;
    }
    Ok(begin_message(Step::Message, len, unframed))
}

/// The place before `step`, which ends the header of a message, in a record with `len` more bytes.
#[inline(always)]
fn begin_message(step: Step, len: u16, unframed: &mut u16) -> Place {
    let width = u16::from(step.width());
    *unframed = width.saturating_sub(len);
    Place::at(step, 0, len.saturating_sub(width))
}

/// Into a hello whose length has the highest byte `high` and is `len` else, in a record with `left` more bytes.
#[inline(always)]
fn hello(high: u8, len: u16, left: u16, unframed: &mut u16) -> Result<Place, Reason> {
    if high != 0 || len < left {
        return UNREADABLE;
    }
    *unframed = len.wrapping_sub(left);
    enter(Step::Session, VERSION_AND_RANDOM, len)
}

/// The place in a further record of `len` bytes, with which the message has `unframed` bytes less beyond.
///
/// # Errors
/// [`Reason::HelloUnreadable`] where the record ends behind the message.
#[inline(always)]
pub(super) fn continued(place: Place, len: u16, unframed: &mut u16) -> Result<Place, Reason> {
    let more = len.saturating_sub(*unframed);
    *unframed = unframed.saturating_sub(len);
    if more == 0 {
        return Ok(place);
    }
    if !place.is(Step::Message) && !place.is(Step::Another) {
        return Err(Reason::HelloUnreadable);
    }
    Ok(Place {
        left: more,
        ..place
    })
}

/// Behind the beginning of a record after a hello, whose content, of `len` bytes, begins with `first`.
#[inline(always)]
fn next(kind: u8, major: u8, len: u16, first: u8, unframed: &mut u16) -> Result<Place, Reason> {
    let Some(rest) = len.checked_sub(1) else {
        return UNREADABLE;
    };
    if major != MAJOR || len > MAX_ENCRYPTED {
        return UNREADABLE;
    }
    match kind {
        CHANGE_CIPHER_SPEC | ALERT => Ok(Place::at(Step::Next, rest, 0)),
        // What an encrypted message of TLS 1.2 begins with could be this type, though hardly such a length, too.
        HANDSHAKE_RECORD if first == CLIENT_HELLO => {
            Ok(begin_message(Step::Another, rest, unframed))
        }
        HANDSHAKE_RECORD | APPLICATION_DATA => Ok(Place::at(Step::End, 0, 0)),
        _ => Err(Reason::NotTls),
    }
}

/// Into the extension of `len` bytes that has the server's name.
#[inline(always)]
fn server_name(len: u16, left: u16) -> Result<Place, Reason> {
    if len > left {
        return UNREADABLE;
    }
    let mut place = enter(Step::ServerName, 0, left)?;
    place.length = len;
    Ok(place)
}

/// To the name, the only one of a list that fills its extension.
#[inline(always)]
fn name(place: Place, list: u16, kind: u8, len: u16) -> Result<Place, Reason> {
    let fills = place.length.checked_sub(2) == Some(list) && list.checked_sub(3) == Some(len);
    if !fills || kind != HOST_NAME || len == 0 || len > MAX_NAME {
        return UNREADABLE;
    }
    let left = place.left.checked_sub(len);
    let mut next = Place::at(Step::Name, 0, left.ok_or(Reason::HelloUnreadable)?);
    next.length = len;
    Ok(next)
}

/// To what follows the server's name, after `skip` bytes.
#[inline(always)]
fn behind(skip: u16, left: u16) -> Result<Place, Reason> {
    if skip == left {
        return Ok(Place::at(Step::End, skip, 0));
    }
    enter(Step::Later, skip, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_every_code_has_the_step_of_that_code() {
        for code in 0..14 {
            assert_eq!(Step::of(code) as u8, code);
        }
        assert_eq!(Step::of(14), Step::Failed);
        assert_eq!(Step::of(255), Step::Failed);
    }
}
