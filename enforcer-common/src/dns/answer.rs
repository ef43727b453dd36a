//! Answers: the chain of aliases from the question's name to its addresses.

use super::name::Use;
use super::{INTERNET, Kind, MAX_RECORDS, Reading};
use crate::Address;

/// The type of an alias (RFC 1035 section 3.2.2).
const CNAME: u16 = 5;
/// Truncation, in byte 2 of the header, and the response code, in byte 3 (RFC 1035 section 4.1.1).
const TRUNCATED: u8 = 0x02;
const CODE: u8 = 0x0f;
/// A time to live past this counts as zero (RFC 2181 section 8).
const MAX_TTL: u32 = i32::MAX as u32;

/// What an answer gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// So many addresses, at least one: see [`Reading::address`].
    Addresses(u32),
    /// No address, and no reason to ask again.
    Nothing,
    /// It is truncated or malformed, past a bound of this reader, or its records are in no order in which each alias comes before what it
    /// leads to.
    Unusable,
}

impl Reading {
    /// Reads the answers of a message whose question [`Reading::question`] has read, `record` being [`Reading::record`] or what stands in
    /// for it. Addresses count only when all is read.
    #[inline(always)]
    pub fn answers(&self, record: impl Fn(&Self) -> bool) -> Reply {
        self.ttl.set(MAX_TTL);
        self.found.set(0);
        let (Some(flags), Some(code), Some(count)) = (self.byte(2), self.byte(3), self.short(6))
        else {
            return Reply::Unusable;
        };
        if flags & TRUNCATED != 0 {
            return Reply::Unusable;
        }
        if code & CODE != 0 {
            return Reply::Nothing;
        }
        if count as usize > MAX_RECORDS {
            return Reply::Unusable;
        }
        // The count stays in memory: the verifier of Linux 5.10 follows no loop that ends at a number it does not know.
        self.left.set(count.into());
        for _ in 0..MAX_RECORDS {
            let left = self.left.get();
            if left == 0 {
                break;
            }
            self.left.set(left.wrapping_sub(1));
            if !record(self) {
                return Reply::Unusable;
            }
        }
        match self.found.get() {
            0 => Reply::Nothing,
            found => Reply::Addresses(found),
        }
    }

    /// Reads the next record; whether it can be one of a usable answer.
    #[inline(always)]
    pub fn record(&self, walk: impl Fn(&Self)) -> bool {
        self.read_record(walk).is_some()
    }

    #[inline(always)]
    fn read_record(&self, walk: impl Fn(&Self)) -> Option<()> {
        self.begin(self.next.get(), Use::Compare);
        walk(self);
        let fixed = self.after_name()?;
        let number = self.short(fixed)?;
        let class = self.short(fixed.wrapping_add(2))?;
        let ttl = self.long(fixed.wrapping_add(4))?;
        let length = self.short(fixed.wrapping_add(8))? as u32;
        let data = fixed.wrapping_add(10);
        let end = data.wrapping_add(length);
        if end > self.length.get() {
            return None;
        }
        self.next.set(end);
        let kind = self.kind();
        if class != INTERNET || (number != CNAME && number != kind.number()) {
            return Some(());
        }
        if !self.is_same() {
            return None;
        }
        let ttl = if ttl > MAX_TTL { 0 } else { ttl };
        let ttl = if ttl < self.ttl.get() {
            ttl
        } else {
            self.ttl.get()
        };
        if number != CNAME {
            return self.take_address(kind, data, length, ttl);
        }
        if self.found.get() > 0 {
            return None;
        }
        self.ttl.set(ttl);
        self.begin(data, Use::Follow);
        walk(self);
        (self.after_name()? == end).then_some(())
    }

    #[inline(always)]
    fn take_address(&self, kind: Kind, data: u32, length: u32, ttl: u32) -> Option<()> {
        let address = match (kind, length) {
            (Kind::A, 4) => Address::from_v4(self.long(data)?).key(),
            (Kind::Aaaa, 16) => {
                let mut address = [0; 16];
                for (at, byte) in address.iter_mut().enumerate() {
                    *byte = self.byte(data.wrapping_add(at as u32))?;
                }
                address
            }
            _ => return None,
        };
        let found = self.found.get();
        if found >= MAX_RECORDS as u32 {
            return None;
        }
        let at = found as usize % MAX_RECORDS;
        self.addresses[at].set(address);
        self.ttls[at].set(ttl);
        self.found.set(found.wrapping_add(1));
        Some(())
    }
}
