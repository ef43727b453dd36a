//! Asks the resolvers for the addresses of a name.
//!
//! Each question goes to one server at a time, first to the one that answered last. What is asked is the whole name and
//! nothing else: no hosts file, no search domain, no cache. Spoofing has to guess the port, the ID and the letter case of
//! the question, on a connected socket. A truncated answer is fetched again over TCP. Whatever has to be asked again, no second
//! sees more than [`QUERIES_PER_SECOND`](super::rate_limiter::QUERIES_PER_SECOND) datagrams.

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

use super::answer::{Answer, LookupFailure, Resolved};
use super::cache::Family;
use crate::name::Name;
use cname_chain::CnameChain;
use name_server::NameServer;
use query_limiter::QueryLimiter;

/// How long one question over one transport waits for its answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How often each server is asked before the lookup fails. The last time goes without EDNS, for what drops it.
const ATTEMPTS: usize = 2;
/// How many questions one family takes when a server leaves the chain for the asker to follow.
const MAX_QUESTIONS: usize = 8;
/// How long one lookup takes at most, whatever the servers do. Shorter than the cache's wait for lost questions.
const LIMIT: Duration = Duration::from_secs(20);

/// Lookups at a fixed list of servers. A clone shares the connections.
#[derive(Clone)]
pub struct Lookup {
    servers: Arc<[NameServer]>,
    answered_last: Arc<AtomicUsize>,
}

impl Lookup {
    /// Lookups at `servers`, in order of preference. An IPv6 scope in an address is kept. Nothing is sent yet.
    ///
    /// # Errors
    /// When the DNS library cannot be set up.
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

    /// Asks for the A and AAAA records of `name` at the same time, and waits for both: 20 seconds at most. Needs a tokio runtime with
    /// I/O and time; a single thread will do.
    pub async fn resolve(&self, name: &Name) -> Answer {
        self.resolve_within(name, LIMIT).await
    }

    /// As [`Lookup::resolve`], but a family that has no answer within `limit` is given up, whatever the other has.
    pub async fn resolve_within(&self, name: &Name, limit: Duration) -> Answer {
        let family = async |family| {
            tokio::time::timeout(limit, self.resolve_family(name, family))
                .await
                .unwrap_or(Err(LookupFailure::Timeout))
        };
        let (v4, v6) = tokio::join!(family(Family::V4), family(Family::V6));
        Answer { v4, v6 }
    }

    /// Asks for the addresses of one family. Takes 20 seconds at most.
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
            .map_err(|error| LookupFailure::Io(format!("{name} cannot be asked: {error}")))?;
        let mut walk = CnameChain::new(question);
        for _ in 0..MAX_QUESTIONS {
            let asked = walk.end().clone();
            let message = self
                .ask(&Query::query(asked.clone(), record_type))
                .await
                .map_err(|failure| walk.bound(failure))?;
            if message.response_code == ResponseCode::NXDomain {
                return Err(LookupFailure::NxDomain);
            }
            let addresses = walk.follow(&message.answers, record_type)?;
            if !addresses.is_empty() {
                return Ok(resolved(walk, addresses));
            }
            let negative_ttl = negative_ttl(&message);
            if negative_ttl.is_some() || *walk.end() == asked {
                let failure = LookupFailure::NoAddress { ttl: negative_ttl };
                return Err(walk.bound(failure));
            }
        }
        Err(LookupFailure::ServerFailure(format!(
            "the CNAME chain of {name} is not at its end after {MAX_QUESTIONS} questions"
        )))
    }

    /// The first answer of any server, positive or negative.
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

fn resolved(walk: CnameChain, addresses: Vec<IpAddr>) -> Resolved {
    Resolved {
        addresses,
        ttl: walk.ttl(),
        chain: walk.into_chain(),
    }
}

/// How long a negative answer holds (RFC 2308 section 5): the lower of the SOA record's TTL and its last field.
fn negative_ttl(message: &Message) -> Option<Duration> {
    message.authorities.iter().find_map(|record| {
        if let RData::SOA(soa) = &record.data {
            return Some(Duration::from_secs(u64::from(record.ttl.min(soa.minimum))));
        }
        None
    })
}
