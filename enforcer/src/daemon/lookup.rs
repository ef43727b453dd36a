//! Queries the current resolvers.

use std::net::SocketAddr;

use crate::core::{Question, Reply, ResolverSet};
use crate::resolver::answer::LookupFailure;
use crate::resolver::lookup::Lookup;
use crate::resolver::resolv_conf::system_resolvers;

/// The current resolvers and their client; none until usable ones are found.
#[derive(Default)]
pub(super) struct Resolvers {
    current: ResolverSet,
    lookup: Option<Lookup>,
}

impl Resolvers {
    /// Uses the resolvers `configured`, or if there are none, those of the system.
    ///
    /// # Errors
    /// If they are unknown or cannot be queried; the current ones stay.
    pub(super) fn follow(&mut self, configured: &[SocketAddr]) -> Result<ResolverSet, String> {
        let found = if configured.is_empty() {
            let found = system_resolvers().map_err(|error| error.to_string())?;
            ResolverSet {
                ask: found.ask,
                exempt: found.exempt,
            }
        } else {
            ResolverSet {
                ask: configured.to_vec(),
                exempt: configured.iter().map(SocketAddr::ip).collect(),
            }
        };
        self.take(found, Lookup::new)
            .map_err(|error| error.to_string())
    }

    /// Returns the client; `None` if there are no resolvers.
    pub(super) fn lookup(&self) -> Option<Lookup> {
        self.lookup.clone()
    }

    fn take(
        &mut self,
        found: ResolverSet,
        set_up: impl FnOnce(&[SocketAddr]) -> Result<Lookup, LookupFailure>,
    ) -> Result<ResolverSet, LookupFailure> {
        if self.lookup.is_none() || found.ask != self.current.ask {
            self.lookup = Some(set_up(&found.ask)?);
        }
        self.current = found;
        Ok(self.current.clone())
    }
}

/// Resolves a question.
pub(super) async fn ask(question: Question, lookup: Lookup) -> Reply {
    match question {
        Question::Policy(name, family) => {
            let answer = lookup.resolve_family(&name, family).await;
            Reply::Policy(name, family, answer)
        }
        Question::Search(name) => {
            let answer = lookup.resolve(&name).await;
            Reply::Search(name, answer)
        }
        Question::Pattern(name, family) => {
            let answer = lookup.resolve_family(&name, family).await;
            Reply::Pattern(name, family, answer)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const FIRST: &str = "192.0.2.53:53";
    const SECOND: &str = "192.0.2.54:53";

    /// Takes `server`; returns whether that succeeded.
    fn take(resolvers: &mut Resolvers, server: &str, can_be_asked: bool) -> bool {
        let server: SocketAddr = server.parse().unwrap();
        let found = ResolverSet {
            ask: vec![server],
            exempt: vec![server.ip()],
        };
        let taken = resolvers.take(found, |servers| {
            if can_be_asked {
                return Lookup::new(servers);
            }
            Err(LookupFailure::Io("out of luck".to_owned()))
        });
        taken.is_ok()
    }

    fn asked(resolvers: &Resolvers) -> Vec<String> {
        let ask = resolvers.current.ask.iter();
        ask.map(ToString::to_string).collect()
    }

    #[test]
    fn unusable_resolvers_are_retried_and_the_current_ones_stay() {
        let mut resolvers = Resolvers::default();
        assert!(!take(&mut resolvers, FIRST, false));
        assert!(resolvers.lookup().is_none());
        assert!(take(&mut resolvers, FIRST, true));
        for _ in 0..2 {
            assert!(!take(&mut resolvers, SECOND, false));
            assert_eq!(asked(&resolvers), [FIRST]);
            assert_eq!(
                resolvers.current.exempt,
                ["192.0.2.53".parse::<IpAddr>().unwrap()]
            );
        }
        assert!(take(&mut resolvers, SECOND, true));
        assert_eq!(asked(&resolvers), [SECOND]);
        assert_eq!(
            resolvers.current.exempt,
            ["192.0.2.54".parse::<IpAddr>().unwrap()]
        );
    }

    #[test]
    fn unchanged_resolvers_keep_their_connections() {
        let mut resolvers = Resolvers::default();
        assert!(take(&mut resolvers, FIRST, true));
        assert!(take(&mut resolvers, FIRST, false));
    }
}
