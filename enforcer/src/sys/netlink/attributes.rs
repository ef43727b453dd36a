//! Attributes (`struct nlattr`) and fields of netlink messages.

/// `struct nlattr`.
const HEADER: usize = 4;
/// `NLA_TYPE_MASK`: the type without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const TYPE_MASK: u16 = 0x3fff;

/// Iterates over type and content of attributes; ends at the first that is not whole.
#[derive(Clone, Copy, Debug)]
pub(in crate::sys) struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Reads the attributes after the first `skipped` bytes of a message.
    pub(in crate::sys) fn after(message: &'a [u8], skipped: usize) -> Self {
        Self(message.get(skipped..).unwrap_or_default())
    }

    /// Returns the content of the first attribute of type `kind`.
    pub(in crate::sys) fn get(mut self, kind: u16) -> Option<&'a [u8]> {
        self.find(|(found, _)| *found == kind)
            .map(|(_, content)| content)
    }

    /// Returns the attributes inside the attribute of type `kind`; none if it is absent.
    pub(in crate::sys) fn nested(self, kind: u16) -> Self {
        Self(self.get(kind).unwrap_or_default())
    }

    /// Returns the number in the attribute of type `kind`.
    pub(in crate::sys) fn number(self, kind: u16) -> Option<u32> {
        field(self.get(kind)?, 0).map(u32::from_ne_bytes)
    }

    /// Returns the text in the attribute of type `kind`, without its final NUL.
    pub(in crate::sys) fn text(self, kind: u16) -> Option<String> {
        let text = self.get(kind)?;
        let end = text.iter().position(|byte| *byte == 0);
        let text = text.get(..end.unwrap_or(text.len()))?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(field(self.0, 0)?));
        let kind = u16::from_ne_bytes(field(self.0, 2)?) & TYPE_MASK;
        let content = self.0.get(HEADER..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, content))
    }
}

/// Returns `N` bytes at offset `at`.
pub(in crate::sys) fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, content: &[u8]) -> Vec<u8> {
        let length = HEADER + content.len();
        let mut attribute = (length as u16).to_ne_bytes().to_vec();
        attribute.extend(kind.to_ne_bytes());
        attribute.extend(content);
        attribute.resize(length.next_multiple_of(4), 0);
        attribute
    }

    #[test]
    fn attributes_are_padded_and_nested() {
        let inner = [attribute(1, b"veth\0"), attribute(2, &7_u32.to_ne_bytes())].concat();
        let message = [
            vec![9; 16],
            attribute(3, b"eth0\0"),
            attribute(0x8000 | 18, &inner),
        ]
        .concat();
        let attributes = Attributes::after(&message, 16);
        assert_eq!(attributes.text(3).as_deref(), Some("eth0"));
        assert_eq!(attributes.nested(18).text(1).as_deref(), Some("veth"));
        assert_eq!(attributes.nested(18).number(2), Some(7));
        assert_eq!(attributes.number(10), None);
        assert_eq!(attributes.nested(10).count(), 0);
    }

    #[test]
    fn what_is_not_whole_ends_the_list() {
        let whole = attribute(3, b"eth0\0");
        for end in 0..HEADER + 5 {
            assert_eq!(Attributes::after(&whole[..end], 0).count(), 0, "{end}");
        }
        for length in 0..HEADER as u16 {
            let endless = [length.to_ne_bytes(), [3, 0], [0; 2]].concat();
            assert_eq!(Attributes::after(&endless, 0).count(), 0, "{length}");
        }
        assert_eq!(Attributes::after(&whole, 100).count(), 0);
        assert_eq!(Attributes::after(&attribute(1, &[1, 2]), 0).number(1), None);
    }
}
