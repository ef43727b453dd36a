//! Answers: the CNAME chain from the queried name to its addresses, in any order of records.
//!
//! Each record is read once, and its names are kept as hashes; then the chain is followed from the queried name. Any record outside the chain makes the
//! answer unusable: a second alias of a name, or an address or alias of another name.

use super::message::{INTERNET, MAX_ALIASES, MAX_RECORDS, MessageReader};
use super::name::Use;
use super::question::Kind;
use crate::Address;

/// The type of an alias (RFC 1035 section 3.2.2).
const CNAME: u16 = 5;
/// Truncation, in byte 2 of the header, and the response code, in byte 3 (RFC 1035 section 4.1.1).
const TRUNCATED: u8 = 0x02;
const CODE: u8 = 0x0f;
/// A larger TTL counts as zero (RFC 2181 section 8).
const MAX_TTL: u32 = i32::MAX as u32;

/// Result of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Number of addresses, at least one: see [`MessageReader::address`].
    Addresses(u32),
    /// No address, and no reason to query again.
    Nothing,
    /// Truncated, malformed, past a bound of this reader, or with records outside the CNAME chain.
    Unusable,
}

impl MessageReader {
    /// Reads the answers after [`MessageReader::question`]. `record` is [`MessageReader::record`] and `follow` [`MessageReader::follow`], or an equivalent. Addresses count
    /// only if all records could be read.
    #[inline(always)]
    pub fn answers(&self, record: impl Fn(&Self) -> bool, follow: impl Fn(&Self) -> bool) -> Reply {
        self.ttl.set(MAX_TTL);
        for count in [&self.found, &self.aliased, &self.followed] {
            count.set(0);
        }
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
        if count as usize > MAX_RECORDS || !self.all_records(count, record) {
            return Reply::Unusable;
        }
        for _ in 0..MAX_ALIASES {
            if !follow(self) {
                break;
            }
        }
        if self.followed.get() != self.aliased.get() || !self.belong_together() {
            return Reply::Unusable;
        }
        match self.found.get() {
            0 => Reply::Nothing,
            found => Reply::Addresses(found),
        }
    }

    #[inline(always)]
    fn all_records(&self, count: u16, record: impl Fn(&Self) -> bool) -> bool {
        // The counter stays in memory: the verifier of Linux 5.10 accepts no loop with an unknown bound.
        self.left.set(count.into());
        for _ in 0..MAX_RECORDS {
            let left = self.left.get();
            if left == 0 {
                break;
            }
            self.left.set(left.wrapping_sub(1));
            if !record(self) {
                return false;
            }
        }
        true
    }

    /// Whether every address belongs to the last name of the chain.
    #[inline(always)]
    fn belong_together(&self) -> bool {
        for (at, owner) in self.owners.iter().enumerate() {
            if at as u32 >= self.found.get() {
                break;
            }
            if owner.get() != self.chain.get() {
                return false;
            }
        }
        true
    }

    /// Follows one alias of the chain; returns whether there was one that it had not followed.
    #[inline(always)]
    pub fn follow(&self) -> bool {
        for (at, alias) in self.aliases.iter().enumerate() {
            if at as u32 >= self.aliased.get() {
                break;
            }
            if alias.is_followed.get() == 0 && alias.owner.get() == self.chain.get() {
                alias.is_followed.set(1);
                self.chain.set(alias.target.get());
                self.ttl.set(self.lower(alias.ttl.get()));
                self.followed.set(self.followed.get().wrapping_add(1));
                return true;
            }
        }
        false
    }

    /// Reads the next record; returns whether the answer is still usable.
    #[inline(always)]
    pub fn record(&self, walk: impl Fn(&Self)) -> bool {
        self.read_record(walk).is_some()
    }

    #[inline(always)]
    fn read_record(&self, walk: impl Fn(&Self)) -> Option<()> {
        self.begin(self.next.get(), Use::Hash);
        walk(self);
        let fixed = self.after_name()?;
        let owner = self.name_hash();
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
        let ttl = if ttl > MAX_TTL { 0 } else { ttl };
        if number != CNAME {
            return self.take_address(kind, owner, data, length, ttl);
        }
        self.begin(data, Use::Hash);
        walk(self);
        if self.after_name()? != end {
            return None;
        }
        self.take_alias(owner, ttl)
    }

    /// Adds the alias whose target was read last.
    #[inline(always)]
    fn take_alias(&self, owner: u64, ttl: u32) -> Option<()> {
        let aliased = self.aliased.get();
        if aliased >= MAX_ALIASES as u32 {
            return None;
        }
        let alias = &self.aliases[aliased as usize % MAX_ALIASES];
        alias.owner.set(owner);
        alias.target.set(self.name_hash());
        alias.ttl.set(ttl);
        alias.is_followed.set(0);
        self.aliased.set(aliased.wrapping_add(1));
        Some(())
    }

    #[inline(always)]
    fn take_address(&self, kind: Kind, owner: u64, data: u32, length: u32, ttl: u32) -> Option<()> {
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
        self.owners[at].set(owner);
        self.ttls[at].set(ttl);
        self.found.set(found.wrapping_add(1));
        Some(())
    }

    /// The minimum of `ttl` and that of the chain.
    #[inline(always)]
    pub(super) fn lower(&self, ttl: u32) -> u32 {
        if ttl < self.ttl.get() {
            ttl
        } else {
            self.ttl.get()
        }
    }
}
