//! The resolvers that are asked, and those that stay reachable.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Result;

use crate::resolver::answer::LookupFailure;
use crate::resolver::lookup::Lookup;
use crate::resolver::resolv_conf::system_resolvers;

/// How long the daemon waits at least where it has nobody to ask: names are due then, and stay so.
const RETRY: Duration = Duration::from_secs(1);

/// The resolvers at hand; none until the first that can be asked are found.
#[derive(Default)]
pub(super) struct Resolvers {
    ask: Vec<SocketAddr>,
    exempt: Vec<IpAddr>,
    lookup: Option<Lookup>,
}

impl Resolvers {
    /// Takes the resolvers `configured`, or where there are none, those that the system has now.
    ///
    /// # Errors
    /// Where they are unknown or cannot be asked; those at hand stay.
    pub(super) fn follow(&mut self, configured: &[SocketAddr]) -> Result<()> {
        let (ask, exempt) = if configured.is_empty() {
            let found = system_resolvers()?;
            (found.ask, found.exempt)
        } else {
            let exempt = configured.iter().map(SocketAddr::ip).collect();
            (configured.to_vec(), exempt)
        };
        Ok(self.take(ask, exempt, Lookup::new)?)
    }

    /// Whom the daemon asks.
    pub(super) fn ask(&self) -> &[SocketAddr] {
        &self.ask
    }

    /// Those that every program may ask.
    pub(super) fn exempt(&self) -> &[IpAddr] {
        &self.exempt
    }

    /// What asks them; `None` where there is nobody to ask.
    pub(super) fn lookup(&self) -> Option<Lookup> {
        self.lookup.clone()
    }

    /// How long to wait for names that are due in `next`.
    pub(super) fn patience(&self, next: Duration) -> Duration {
        match self.lookup {
            Some(_) => next,
            None => next.max(RETRY),
        }
    }

    fn take(
        &mut self,
        ask: Vec<SocketAddr>,
        exempt: Vec<IpAddr>,
        set_up: impl FnOnce(&[SocketAddr]) -> Result<Lookup, LookupFailure>,
    ) -> Result<(), LookupFailure> {
        if self.lookup.is_none() || ask != self.ask {
            self.lookup = Some(set_up(&ask)?);
        }
        (self.ask, self.exempt) = (ask, exempt);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "192.0.2.53:53";
    const SECOND: &str = "192.0.2.54:53";

    /// Takes the one server, and says whether that came to pass.
    fn take(resolvers: &mut Resolvers, server: &str, can_be_asked: bool) -> bool {
        let server: SocketAddr = server.parse().unwrap();
        let taken = resolvers.take(vec![server], vec![server.ip()], |servers| {
            if can_be_asked {
                return Lookup::new(servers);
            }
            Err(LookupFailure::Io("out of luck".to_owned()))
        });
        taken.is_ok()
    }

    fn asked(resolvers: &Resolvers) -> Vec<String> {
        resolvers.ask().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn with_nobody_to_ask_the_daemon_does_not_spin() {
        let mut resolvers = Resolvers::default();
        assert_eq!(resolvers.patience(Duration::ZERO), RETRY);
        assert_eq!(resolvers.patience(2 * RETRY), 2 * RETRY);
        assert!(!take(&mut resolvers, FIRST, false));
        assert_eq!(resolvers.patience(Duration::ZERO), RETRY);
        assert!(take(&mut resolvers, FIRST, true));
        assert_eq!(resolvers.patience(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn servers_that_cannot_be_asked_are_tried_again_and_those_before_stay() {
        let mut resolvers = Resolvers::default();
        assert!(take(&mut resolvers, FIRST, true));
        for _ in 0..2 {
            assert!(!take(&mut resolvers, SECOND, false));
            assert_eq!(asked(&resolvers), [FIRST]);
            assert_eq!(
                resolvers.exempt(),
                ["192.0.2.53".parse::<IpAddr>().unwrap()]
            );
        }
        assert!(take(&mut resolvers, SECOND, true));
        assert_eq!(asked(&resolvers), [SECOND]);
        assert_eq!(
            resolvers.exempt(),
            ["192.0.2.54".parse::<IpAddr>().unwrap()]
        );
    }

    #[test]
    fn the_same_servers_keep_their_connections() {
        let mut resolvers = Resolvers::default();
        assert!(take(&mut resolvers, FIRST, true));
        assert!(take(&mut resolvers, FIRST, false));
    }
}
