//! DNS messages of the lab's client, and of its servers that answer wrongly.

use std::net::IpAddr;

use hickory_proto::{
    op::{Message, Metadata, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};

/// The TTL of every answer here, in seconds.
const TTL: u32 = 60;

/// The answer of a resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The response code.
    pub code: ResponseCode,
    /// Whether the rest has to be requested over TCP.
    pub truncated: bool,
    /// Aliases in order: the target, and the TTL in seconds.
    pub aliases: Vec<(String, u32)>,
    /// Addresses with their TTLs in seconds.
    pub addresses: Vec<(IpAddr, u32)>,
}

/// A query with exactly one question.
#[derive(Debug)]
pub(super) struct Question {
    /// Lower case, without the final dot.
    pub(super) name: String,
    pub(super) kind: RecordType,
    header: Metadata,
    query: Query,
}

/// Returns a recursive query.
///
/// # Errors
/// When the name is not valid.
pub(super) fn query(name: &str, kind: RecordType) -> anyhow::Result<Vec<u8>> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name)?, kind));
    Ok(message.to_vec()?)
}

/// Parses a query; `None` if it does not have exactly one question or is malformed.
pub(super) fn question(message: &[u8]) -> Option<Question> {
    let message = Message::from_vec(message).ok()?;
    let [query] = message.queries.as_slice() else {
        return None;
    };
    Some(Question {
        name: text(query.name()),
        kind: query.query_type(),
        header: message.metadata,
        query: query.clone(),
    })
}

impl Question {
    /// Returns the response with this code and, if the question is for its family, `address`.
    pub(super) fn reply(
        &self,
        code: ResponseCode,
        truncated: bool,
        address: Option<IpAddr>,
    ) -> Option<Vec<u8>> {
        let mut reply = Message::query();
        reply.metadata = Metadata::response_from_request(&self.header);
        reply.metadata.recursion_available = true;
        reply.metadata.truncation = truncated;
        reply.metadata.response_code = code;
        reply.add_query(self.query.clone());
        let data = address.map(RData::from);
        if let Some(data) = data.filter(|data| data.record_type() == self.kind) {
            let name = self.query.name().clone();
            reply.add_answer(Record::from_rdata(name, TTL, data));
        }
        reply.to_vec().ok()
    }
}

/// Parses a response; `None` if it is malformed.
pub(super) fn answer(message: &[u8]) -> Option<Answer> {
    let message = Message::from_vec(message).ok()?;
    let mut answer = Answer {
        code: message.metadata.response_code,
        truncated: message.metadata.truncation,
        aliases: Vec::new(),
        addresses: Vec::new(),
    };
    for record in &message.answers {
        if let RData::CNAME(target) = &record.data {
            answer.aliases.push((text(&target.0), record.ttl));
        } else if let Some(address) = record.data.ip_addr() {
            answer.addresses.push((address, record.ttl));
        }
    }
    Some(answer)
}

fn text(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORGED: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 66));

    fn asked(kind: RecordType) -> Question {
        question(&query("Contoso.azurecr.io", kind).unwrap()).unwrap()
    }

    #[test]
    fn reply_repeats_the_question_and_has_the_address() {
        let asked = asked(RecordType::A);
        assert_eq!(asked.name, "contoso.azurecr.io");
        let reply = asked.reply(ResponseCode::NoError, false, Some(FORGED));
        let reply = reply.unwrap();
        assert!(reply.windows(7).any(|label| label == b"Contoso"));
        assert_eq!(answer(&reply).unwrap().addresses, [(FORGED, TTL)]);
    }

    #[test]
    fn address_of_the_other_family_makes_an_empty_answer() {
        let reply = asked(RecordType::AAAA).reply(ResponseCode::NoError, true, Some(FORGED));
        let read = answer(&reply.unwrap()).unwrap();
        assert!(read.addresses.is_empty() && read.truncated);
    }
}
