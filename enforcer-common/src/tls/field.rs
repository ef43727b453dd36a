//! The fields of a ClientHello that are parsed.

/// The next field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
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
    /// Type and length of an extension before the server name.
    Extension = 6,
    /// Everything before the name in its extension.
    ServerName = 7,
    /// The name, of which [`super::cursor::Cursor::length`] bytes are left.
    Name = 8,
    /// Type and length of an extension after the server name.
    Later = 9,
    /// The end of the ClientHello.
    End = 10,
    /// A denial: [`super::cursor::Cursor::length`] holds the code of the reason.
    Failed = 11,
    /// Type, version, length and first byte of a record after the ClientHello: a server may request a second one (RFC 8446 section 4.1.4).
    Next = 12,
    /// The length of a message that is a second ClientHello.
    SecondHello = 13,
}

impl Field {
    /// Length of the field, in bytes; 0 if it varies.
    pub(super) const fn width(self) -> u8 {
        match self {
            Self::Session | Self::Compressions => 1,
            Self::Suites | Self::Extensions => 2,
            Self::Message | Self::Extension | Self::Later => 4,
            Self::SecondHello => 3,
            Self::Record | Self::ServerName => 5,
            Self::Next => 6,
            Self::Name | Self::End | Self::Failed => 0,
        }
    }

    pub(super) const fn from_code(code: u8) -> Self {
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
            13 => Self::SecondHello,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_reads_back_as_its_field() {
        for code in 0..14 {
            assert_eq!(Field::from_code(code) as u8, code);
        }
        assert_eq!(Field::from_code(14), Field::Failed);
        assert_eq!(Field::from_code(255), Field::Failed);
    }
}
