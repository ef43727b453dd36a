//! The server name in a ClientHello (RFC 6066 section 3).

use super::client_hello::{LETTERED, NAMED, ParserState};
use super::name::{NameKeys, has_colon, is_numeric, label, lower, lowest};
use crate::reason::Reason;

/// Length of a group of an IPv6 address with the colon after it.
const IPV6_GROUP: u32 = 5;

impl ParserState {
    /// Parses the next bytes of the name, up to the end of a label; returns 0 once it is complete.
    #[inline(always)]
    pub(super) fn name(&mut self, word: u64, keys: &mut NameKeys) -> Result<Option<u64>, Reason> {
        let len = self.reach();
        if self.is_ipv6(word, len) {
            return Err(Reason::ServerNameAddress);
        }
        let word = lower(word, len).ok_or(Reason::HelloUnreadable)?;
        let (taken, has_dot) = label(word, len);
        if !is_numeric(word, taken) {
            self.seen |= LETTERED;
        }
        self.take(taken);
        self.write(keys, lowest(word, taken), taken, has_dot);
        self.label = self.label.wrapping_add(taken);
        if has_dot {
            if self.label == 1 {
                return Err(Reason::HelloUnreadable);
            }
            self.label = 0;
            self.labels = self.labels.wrapping_add(1);
        }
        self.cursor.length = self.cursor.length.wrapping_sub(taken as u16);
        if self.cursor.length > 0 {
            return Ok(None);
        }
        if self.label == 0 {
            return Err(Reason::HelloUnreadable);
        }
        self.seen |= NAMED;
        Ok(Some(0))
    }

    /// Whether the first bytes of the name, `len` of them in `word`, are those of an IPv6 address: a colon after at most four bytes.
    #[inline(always)]
    fn is_ipv6(&self, word: u64, len: u32) -> bool {
        let first = IPV6_GROUP.saturating_sub(self.label).min(len);
        self.labels == 0 && first > 0 && has_colon(word, first)
    }

    #[inline(always)]
    fn write(&mut self, keys: &mut NameKeys, word: u64, len: u32, has_dot: bool) {
        keys.exact.put(self.exact.into(), word);
        self.exact = self.exact.wrapping_add(len as u16);
        let (word, len) = match (self.labels, has_dot) {
            (1, true) => (u64::from(b'.'), 1),
            (1, false) => (0, 0),
            _ => (word, len),
        };
        keys.wild.put(self.wild, word);
        self.wild = self.wild.wrapping_add(len);
        if self.labels == 0 && has_dot {
            keys.wild.put(self.wild, u64::from(b'*'));
            self.wild = self.wild.wrapping_add(1);
        }
    }
}
