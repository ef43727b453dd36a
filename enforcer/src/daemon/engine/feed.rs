//! What the engine is fed with before it evaluates: names, resolvers, and the addresses of runs before this one.

use std::net::IpAddr;

use jiff::Timestamp;

use super::{Engine, cache_settings};
use crate::daemon::exceptions::Standing;
use crate::daemon::inherited::Inherited;
use crate::name::Name;
use crate::resolver::cache::Cache;
use crate::state;
use crate::sys::{Cgroup, KernelError, dns_sockets};

impl Engine {
    /// Takes the names, exceptions and resolvers of the sources at hand.
    pub(in crate::daemon) fn adopt_sources(&mut self) {
        let names: Vec<Name> = self.sources.all_names().cloned().collect();
        self.cache.set_linger(self.sources.config.dns.linger);
        self.cache.set_names(names, self.now());
        self.follow_hosts();
        self.registries.update(&self.sources, &self.cache);
        self.patterns.follow(&self.sources);
        if let Some(published) = self.sources.given.tags.published() {
            self.clock.not_before(published);
        }
        self.standings.clear();
        self.standings
            .resize_with(self.sources.config.exceptions.len(), Standing::default);
        self.follow_resolvers();
    }

    /// Says what is legal in the configuration, and yet probably not meant.
    pub(in crate::daemon) fn warn(&self) {
        for warning in self.sources.config.warnings(Timestamp::now()) {
            tracing::warn!("{warning}");
        }
    }

    /// Takes the addresses of the state file, as far as the answer check lets them in.
    pub(super) fn restore(&mut self) {
        if self.options.ephemeral {
            return;
        }
        let loaded = state::load(&self.state_file());
        let state = loaded.unwrap_or_else(|error| {
            self.alarms.raise("state-unreadable", "", error.to_string());
            None
        });
        let Some(state) = state else { return };
        let seen = state
            .names
            .values()
            .flat_map(|addresses| addresses.values());
        if let Some(latest) = seen.map(|seen| seen.last_seen).max() {
            self.clock.not_before(latest);
        }
        let sources = &self.sources;
        let check = |name: &Name, ip: IpAddr| sources.check_answer(name, ip);
        let refused = self
            .cache
            .restore(&state, &check, Timestamp::now(), self.since.elapsed());
        for (name, address) in refused {
            tracing::warn!(%name, %address, "an address of the state file is refused by the answer check");
        }
    }

    /// Starts without the addresses of earlier runs, where no policy can be made with them: protection does not wait for them.
    pub(super) fn forget_addresses(&mut self) {
        self.cache = Cache::new(cache_settings(self.sources.config.dns.linger));
        self.inherited = Inherited::default();
        self.adopt_sources();
    }

    /// Attaches again where the governed cgroup was removed and made anew: the links went with the old one.
    pub(super) fn follow_scope(&mut self) {
        if self.scope.is_current() {
            return self.alarms.clear("scope-gone", "");
        }
        match self.attach_anew() {
            Ok(()) => tracing::warn!(
                scope = %self.scope.path.display(),
                "the governed cgroup was removed and made anew, and nothing was enforced in it: attached again"
            ),
            Err(error) => {
                self.alarms
                    .raise("scope-gone", "", format!("nothing is enforced: {error}"))
            }
        }
    }

    fn attach_anew(&mut self) -> Result<(), KernelError> {
        let scope = Cgroup::open(&self.root, &self.scope.path)?;
        self.kernel.attach(&scope, &mut self.links)?;
        self.scope = scope;
        self.list_dns_sockets();
        Ok(())
    }

    /// Has the kernel programs take the sockets for marked that were connected to a resolver before the programs were attached, or before it
    /// was one. Sockets that connect later are marked as they do.
    pub(super) fn list_dns_sockets(&mut self) {
        let listed = dns_sockets(&self.held.resolvers);
        let listed = listed.and_then(|found| self.kernel.maps.set_dns_sockets(&found));
        let message = listed.err().map(|error| {
            format!(
                "answers to sockets that were connected to a resolver before are not read in the kernel, so that a new address of theirs is refused \
                 until the daemon itself has resolved its name: {error}"
            )
        });
        self.alarms.set("dns-sockets-unlisted", "", message);
    }

    /// Keeps what the daemon before opened: it may have been killed before it saved that. One of this version left it in the maps at hand;
    /// of another version's it is read as far as its layout is known.
    pub(super) fn inherit(&mut self, is_takeover: bool) {
        let until = self.now() + self.sources.config.dns.linger;
        let others = self.pins.allowed_by_others().unwrap_or_else(|error| {
            self.alarms.raise("state-unreadable", "", error.to_string());
            Vec::new()
        });
        let own = self.held.allowed.keys().filter(|_| is_takeover);
        let bound = &self.held.name_addresses;
        self.inherited = Inherited::new(own.chain(&others), bound, &self.sources, until);
    }

    /// Ends the judgement of the versions that this one takes over from; until then a packet passes only if both let it.
    pub(super) fn end_other_versions(&mut self) {
        match self.pins.remove_others() {
            Ok(others) => {
                for version in others {
                    tracing::info!("took over from pins of layout version {version}");
                }
            }
            Err(error) => {
                let message = format!(
                    "an earlier policy is in force beside this one, and closes what it does not open: {error}"
                );
                self.alarms.raise("other-version", "", message);
            }
        }
    }

    /// Takes the resolvers of the configuration, or those that the system has now.
    pub(super) fn follow_resolvers(&mut self) {
        let followed = self.resolvers.follow(&self.sources.config.dns.servers);
        let message = followed.err().map(|error| error.to_string());
        self.alarms.set("resolvers-unknown", "", message);
    }
}
