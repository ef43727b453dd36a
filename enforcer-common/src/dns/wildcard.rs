//! Keys of names whose second label may be any.

use super::message::MessageReader;
use crate::layout::{NAME_BYTES, NameKey};

/// `name` with `*` for its second label; `None` if there is no third label.
pub fn wildcard(name: &NameKey) -> Option<NameKey> {
    let end = name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(NAME_BYTES);
    let name = name.get(..end)?;
    let mut dots = (0..end).filter(|at| name.get(*at) == Some(&b'.'));
    let (first, second) = (dots.next()?, dots.next()?);
    let mut key = [0; NAME_BYTES];
    let parts = name
        .iter()
        .take(first + 1)
        .chain(b"*")
        .chain(name.iter().skip(second));
    for (place, byte) in key.iter_mut().zip(parts) {
        *place = *byte;
    }
    Some(key)
}

impl MessageReader {
    /// Empties the key unless the name has a third label.
    #[inline(always)]
    pub(super) fn finish_wildcard(&self) {
        if self.labels() < 3 {
            self.wildcard[0].set(0);
        }
    }
}
