//! Queries the resolvers for the addresses of a name.
//!
//! Each query is sent to one server at a time, first to the one that answered last. Only the fully qualified name is queried: no hosts
//! file, no search domain, no cache. A spoofed answer has to match the port, the ID and the letter case of the query, on a connected
//! socket. After a truncated answer the query is repeated over TCP. Retries included, at most
//! [`QUERIES_PER_SECOND`](super::rate_limiter::QUERIES_PER_SECOND) datagrams are sent in any second.

mod cname_chain;
mod name_server;
mod query_limiter;

#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name as DnsName, RData, RecordType};

use super::answer::{Answer, Family, LookupFailure, Resolved};
use crate::name::Name;
use cname_chain::CnameChain;
use name_server::NameServer;
use query_limiter::QueryLimiter;

/// Attempts at each server before the lookup fails. The last one is without EDNS, which some middleboxes drop.
const ATTEMPTS: usize = 2;
/// The most queries of one family, when servers leave it to the client to follow the CNAME chain.
const MAX_QUERIES: usize = 8;
/// The longest time for one lookup. Shorter than the time after which the cache counts a query as lost.
const LIMIT: Duration = Duration::from_secs(20);

/// Lookups at a fixed list of servers. A clone shares the connections.
#[derive(Clone)]
pub struct Lookup {
    servers: Arc<[NameServer]>,
    answered_last: Arc<AtomicUsize>,
}

impl Lookup {
    /// Creates lookups at `servers`, in order of preference. The scope of an IPv6 address is used. Sends nothing.
    ///
    /// # Errors
    /// When the DNS library cannot be initialized.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, LookupFailure> {
        let limiter = Arc::new(QueryLimiter::new());
        let servers: Result<Vec<_>, _> = servers
            .iter()
            .map(|address| NameServer::new(*address, Arc::clone(&limiter)))
            .collect();
        Ok(Self {
            servers: servers?.into(),
            answered_last: Arc::default(),
        })
    }

    /// Queries the A and AAAA records of `name` concurrently, and waits at most 20 seconds for both. Needs a tokio runtime with I/O and
    /// time; a single thread suffices.
    pub async fn resolve(&self, name: &Name) -> Answer {
        self.resolve_within(name, LIMIT).await
    }

    /// Like [`Lookup::resolve`], with a timeout of `limit` for each family.
    pub async fn resolve_within(&self, name: &Name, limit: Duration) -> Answer {
        let family = async |family| {
            tokio::time::timeout(limit, self.resolve_family(name, family))
                .await
                .unwrap_or(Err(LookupFailure::Timeout))
        };
        let (v4, v6) = tokio::join!(family(Family::V4), family(Family::V6));
        Answer { v4, v6 }
    }

    /// Queries the addresses of one family, and waits at most 20 seconds.
    pub async fn resolve_family(
        &self,
        name: &Name,
        family: Family,
    ) -> Result<Resolved, LookupFailure> {
        let record_type = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        tokio::time::timeout(LIMIT, self.follow_chain(name, record_type))
            .await
            .unwrap_or(Err(LookupFailure::Timeout))
    }

    async fn follow_chain(
        &self,
        name: &Name,
        record_type: RecordType,
    ) -> Result<Resolved, LookupFailure> {
        let question = DnsName::from_ascii(format!("{name}."))
            .map_err(|error| LookupFailure::Io(format!("{name} cannot be queried: {error}")))?;
        let mut chain = CnameChain::new(question);
        for _ in 0..MAX_QUERIES {
            let queried = chain.end().clone();
            let message = self
                .ask(&Query::query(queried.clone(), record_type))
                .await
                .map_err(|failure| chain.bound(failure))?;
            if message.response_code == ResponseCode::NXDomain {
                return Err(LookupFailure::NxDomain);
            }
            let addresses = chain.follow(&message.answers, record_type)?;
            if !addresses.is_empty() {
                return Ok(resolved(chain, addresses));
            }
            let negative_ttl = negative_ttl(&message);
            if negative_ttl.is_some() || *chain.end() == queried {
                let failure = LookupFailure::NoAddress { ttl: negative_ttl };
                return Err(chain.bound(failure));
            }
        }
        Err(LookupFailure::ServerFailure(format!(
            "the CNAME chain of {name} does not end within {MAX_QUERIES} queries"
        )))
    }

    /// Returns the first answer of any server, positive or negative.
    async fn ask(&self, query: &Query) -> Result<Message, LookupFailure> {
        let count = self.servers.len();
        let first = self.answered_last.load(Ordering::Relaxed);
        let mut last = LookupFailure::Io("no name server is configured".to_owned());
        for attempt in 1..=ATTEMPTS {
            for index in (0..count).map(|step| (first + step) % count) {
                let edns = attempt < ATTEMPTS;
                let answer = self.servers[index].ask(query, edns).await;
                match answer {
                    Err(
                        failure @ (LookupFailure::Timeout
                        | LookupFailure::ServerFailure(_)
                        | LookupFailure::Io(_)
                        | LookupFailure::AllRefused),
                    ) => last = failure,
                    Ok(_) | Err(LookupFailure::NxDomain | LookupFailure::NoAddress { .. }) => {
                        self.answered_last.store(index, Ordering::Relaxed);
                        return answer;
                    }
                }
            }
        }
        Err(last)
    }
}

fn resolved(chain: CnameChain, addresses: Vec<IpAddr>) -> Resolved {
    Resolved {
        addresses,
        ttl: chain.ttl(),
        chain: chain.into_chain(),
    }
}

/// The negative TTL (RFC 2308 section 5): the lower of the SOA record's TTL and its MINIMUM field.
fn negative_ttl(message: &Message) -> Option<Duration> {
    message.authorities.iter().find_map(|record| {
        if let RData::SOA(soa) = &record.data {
            return Some(Duration::from_secs(u64::from(record.ttl.min(soa.minimum))));
        }
        None
    })
}
