//! Follows the CNAME records from the queried name to its addresses.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::proto::rr::{Name as DnsName, RData, Record, RecordType};

use crate::name::Name;
use crate::resolver::answer::LookupFailure;

/// The longest chain that is followed; those of Azure have five CNAME records.
const MAX_CHAIN: usize = 16;

/// A chain, as far as it has been followed.
pub(super) struct CnameChain {
    /// The queried name, then the CNAME targets in order.
    names: Vec<DnsName>,
    /// The lowest TTL so far, in seconds.
    ttl: u32,
}

impl CnameChain {
    pub(super) fn new(question: DnsName) -> Self {
        Self {
            names: vec![question],
            ttl: u32::MAX,
        }
    }

    /// The last name so far.
    pub(super) fn end(&self) -> &DnsName {
        &self.names[self.names.len() - 1]
    }

    pub(super) fn ttl(&self) -> Duration {
        Duration::from_secs(u64::from(self.ttl))
    }

    /// The CNAME targets that are host names.
    pub(super) fn into_chain(self) -> Vec<Name> {
        self.names
            .iter()
            .skip(1)
            .filter_map(|name| name.to_ascii().parse().ok())
            .collect()
    }

    /// Follows the CNAME records among `records`, which may be in any order, and returns the addresses at the end of the chain. Records of
    /// other names are ignored.
    pub(super) fn follow(
        &mut self,
        records: &[Record],
        record_type: RecordType,
    ) -> Result<Vec<IpAddr>, LookupFailure> {
        loop {
            let owned = || records.iter().filter(|record| record.name == *self.end());
            let found: Vec<_> = owned()
                .filter(|record| record.record_type() == record_type)
                .filter_map(|record| Some((record.data.ip_addr()?, record.ttl)))
                .collect();
            if !found.is_empty() {
                found.iter().for_each(|(_, ttl)| self.lower(*ttl));
                return Ok(found.into_iter().map(|(address, _)| address).collect());
            }
            let alias = owned().find_map(|record| Some((target(record)?.clone(), record.ttl)));
            let Some((next, ttl)) = alias else {
                return Ok(Vec::new());
            };
            self.lower(ttl);
            self.step(next)?;
        }
    }

    /// Lowers the TTL of a negative answer to that of the chain that led to it.
    pub(super) fn bound(&self, mut failure: LookupFailure) -> LookupFailure {
        if let LookupFailure::NoAddress { ttl } = &mut failure
            && self.names.len() > 1
        {
            *ttl = Some(ttl.map_or(self.ttl(), |ttl| ttl.min(self.ttl())));
        }
        failure
    }

    fn step(&mut self, next: DnsName) -> Result<(), LookupFailure> {
        if self.names.contains(&next) {
            let text = format!("the CNAME chain has a loop at {next}");
            return Err(LookupFailure::ServerFailure(text));
        }
        if self.names.len() > MAX_CHAIN {
            let text = format!("the CNAME chain has more than {MAX_CHAIN} names");
            return Err(LookupFailure::ServerFailure(text));
        }
        self.names.push(next);
        Ok(())
    }

    fn lower(&mut self, ttl: u32) {
        // RFC 2181 section 8: a TTL with the most significant bit set counts as zero.
        let ttl = if ttl > i32::MAX.unsigned_abs() {
            0
        } else {
            ttl
        };
        self.ttl = self.ttl.min(ttl);
    }
}

fn target(record: &Record) -> Option<&DnsName> {
    if let RData::CNAME(cname) = &record.data {
        return Some(&cname.0);
    }
    None
}
