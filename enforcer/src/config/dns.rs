//! The section `[dns]`.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::faults::Faults;
use super::value::{DurationKey, Text, bounded, values};

/// The shortest interval between two queries for one name, whatever the TTL. A caching resolver returns the remainder of the 10 s of a
/// registry's front end, so a longer floor would leave the daemon behind the clients after every change; and an answer with TTL 0 cannot
/// cause a busy loop.
pub const TTL_FLOOR: Duration = Duration::from_secs(1);
/// The longest interval between two queries for one name, whatever the TTL: the TTL of the Traffic Manager step in registry names, the one
/// that carries a failover to another region.
pub const TTL_CEILING: Duration = Duration::from_secs(300);

/// The shortest linger: with none, an address would expire between the answer and the connection.
const MIN_LINGER: Duration = Duration::from_secs(1);
/// The longest linger: addresses of shared front ends are eventually assigned to other customers.
const MAX_LINGER: Duration = Duration::from_hours(24);

/// The section `[dns]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dns {
    /// The resolvers to query and to trust; empty means the system's.
    pub servers: Vec<SocketAddr>,
    /// How long an address stays allowed after the last answer that contained it.
    pub linger: Duration,
    /// How the addresses of an answer are compared with the service tags.
    pub answer_check: AnswerCheck,
    /// Whether the kernel allows the addresses of allowed names as answers arrive.
    pub snoop: bool,
}

/// How the addresses of an answer are compared with the service tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum AnswerCheck {
    /// An address of another protected tag is rejected; one in no tag is accepted and reported.
    #[default]
    Known,
    /// Only addresses of the registry tag and of `private-endpoints` are accepted.
    Strict,
}

/// Name resolution.
#[derive(Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RawDns {
    /// The resolvers to query and to trust. If the list is empty, those of the system.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = ["10.0.0.53", "[2001:db8::53]:5353"]))]
    servers: Vec<Text<SocketAddr>>,
    /// How long an address stays allowed after the last answer that contained it: 1 second to 24 hours. An answer to the daemon counts for
    /// its TTL if that is longer, at most a day; an answer to another program counts for this time only.
    #[cfg_attr(test, schemars(example = &"1h", extend("default" = "15m")))]
    linger: DurationKey,
    /// How the addresses of an answer are compared with the service tags.
    #[serde(default)]
    #[cfg_attr(test, schemars(example = &"strict"))]
    answer_check: AnswerCheck,
    /// Whether the kernel allows the addresses of allowed names as DNS answers arrive at programs on this host, before these can read
    /// them. If `false`, only addresses that the daemon itself resolved are allowed. Answers to one cgroup add at most 256 addresses, the
    /// newest replacing the oldest, and all together at most 1,024; addresses that the daemon resolved have separate room.
    #[cfg_attr(test, schemars(example = false, extend("default" = true)))]
    learn: Option<bool>,
}

impl Default for Dns {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            linger: Duration::from_mins(15),
            answer_check: AnswerCheck::default(),
            snoop: true,
        }
    }
}

impl RawDns {
    /// Validates the section.
    pub(super) fn validate(self, faults: &mut Faults) -> Dns {
        let defaults = Dns::default();
        Dns {
            servers: values(self.servers),
            linger: bounded(
                self.linger,
                defaults.linger,
                MIN_LINGER..=MAX_LINGER,
                faults,
            ),
            answer_check: self.answer_check,
            snoop: self.learn.unwrap_or(defaults.snoop),
        }
    }
}
