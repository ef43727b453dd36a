//! The state of the daemon, and what each kind of news does to it. Nothing here waits.

mod feed;
mod follow;
mod settle;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::alarms::{Alarms, CONFIG_REFUSED};
use super::budgets::Budgets;
use super::clock::Clock;
use super::dns_visibility::DnsVisibility;
use super::exceptions::{Running, Standing};
use super::feeds::Feeds;
use super::inherited::Inherited;
use super::kept::Kept;
use super::lessons::LessonCounts;
use super::names::RegistryNames;
use super::patterns::Patterns;
use super::questions::{Question, Reply};
use super::resolvers::Resolvers;
use super::sources::{Options, Sources};
use crate::bpf::{Kernel, Lifetime, Links, PinLock, Pins};
use crate::config::{TTL_CEILING, TTL_FLOOR, Target};
use crate::control::{EventRecord, TagsChange};
use crate::name::Name;
use crate::policy::{Held, NameIds, Protected, Tables};
use crate::random;
use crate::resolver::answer::{Family, LookupFailure, Resolved};
use crate::resolver::cache::{Cache, CacheSettings};
use crate::resolver::lookup::Lookup;
use crate::resolver::rate_limiter::RateLimiter;
use crate::state;
use crate::sys::{Awaited, Cgroup, KernelError, cgroup_root, local_addresses};

/// The daemon's state.
pub(super) struct Engine {
    pub(super) options: Options,
    pub(super) sources: Sources,
    pub(super) root: PathBuf,
    pub(super) scope: Cgroup,
    pub(super) pins: Pins,
    pub(super) kernel: Kernel,
    pub(super) cache: Cache,
    pub(super) pace: RateLimiter,
    pub(super) registries: RegistryNames,
    pub(super) standings: Vec<Standing>,
    pub(super) running: Running,
    pub(super) alarms: Alarms,
    pub(super) resolvers: Resolvers,
    pub(super) visibility: DnsVisibility,
    pub(super) generation: u64,
    pub(super) applied: Timestamp,
    pub(super) started: Timestamp,
    pub(super) clock: Clock,
    pub(super) inherited: Inherited,
    pub(super) feeds: Feeds,
    pub(super) tags_change: Option<TagsChange>,
    /// What `events` is still to tell.
    pub(super) notes: Vec<EventRecord>,
    /// Since when the enforcer has no cgroup of its own to open hosts for.
    pub(super) crowded: Option<Duration>,
    pub(super) ids: NameIds,
    pub(super) patterns: Patterns,
    pub(super) lessons: LessonCounts,
    pub(super) budgets: Budgets,
    /// Addresses that the kernel learned and the answer check refuses.
    pub(super) refused_lessons: BTreeSet<IpAddr>,
    kept: Kept,
    since: Instant,
    hastened: Duration,
    pub(super) hooks_seen: Duration,
    ticked: Duration,
    own: Vec<IpAddr>,
    in_force: Option<(Protected, Arc<Tables>)>,
    held: Held,
    pub(super) unsaved: bool,
    pub(super) links: Links,
    pub(super) lock: PinLock,
}

impl Engine {
    /// Reads everything, loads the programs, puts the policy in force and attaches. When this returns, it is enforced.
    ///
    /// # Errors
    /// Where anything of that fails; then what was in force before still is.
    pub(super) fn start(options: Options) -> Result<Self> {
        let (sources, refused) = Sources::read_or_accepted(&options)?;
        let root = cgroup_root()?;
        let scope = Cgroup::open(&root, sources.config.scope.as_deref().unwrap_or(&root))?;
        let pins = Pins::new(&sources.config.paths.pins);
        let lock = pins.prepare()?;
        let links = Links::new(lifetime(&options, &pins)?);
        let is_takeover = pins.have_links();
        let kernel = Kernel::load(&pins)?;
        let held = kernel.maps.held()?;
        let generation = kernel.maps.settings()?.generation;
        let mut engine = Self {
            cache: Cache::new(cache_settings(sources.config.dns.linger)),
            pace: RateLimiter::default(),
            registries: RegistryNames::default(),
            standings: Vec::new(),
            running: Running::new(),
            alarms: Alarms::default(),
            resolvers: Resolvers::default(),
            visibility: DnsVisibility::new(&root, &scope),
            applied: Timestamp::now(),
            started: Timestamp::now(),
            clock: Clock::trust(),
            inherited: Inherited::default(),
            feeds: Feeds::new(random::seed()),
            tags_change: None,
            notes: Vec::new(),
            crowded: None,
            ids: NameIds::of(&held.names),
            patterns: Patterns::default(),
            lessons: LessonCounts::default(),
            budgets: Budgets::default(),
            refused_lessons: BTreeSet::new(),
            kept: Kept::default(),
            since: Instant::now(),
            hastened: Duration::ZERO,
            hooks_seen: Duration::ZERO,
            ticked: Duration::ZERO,
            own: local_addresses()?,
            in_force: None,
            unsaved: false,
            lock,
            options,
            sources,
            root,
            scope,
            pins,
            kernel,
            links,
            held,
            generation,
        };
        engine.alarms.set(CONFIG_REFUSED, "", refused);
        engine.feeds.follow(&engine.sources, Duration::ZERO);
        engine.restore_sources();
        engine.open_for_itself();
        engine.adopt_sources();
        engine.warn();
        engine.restore();
        engine.inherit(is_takeover);
        engine.take_over_lessons();
        if let Err(error) = engine.apply() {
            engine.forget_addresses();
            engine.apply().context("cannot put the policy in force")?;
            let message = format!("the addresses of earlier runs are not used: {error:#}");
            engine.alarms.raise("state-unreadable", "", message);
        }
        engine.note_exceptions();
        engine.forget_lessons();
        engine.kernel.attach(&engine.scope, &mut engine.links)?;
        engine.list_dns_sockets();
        engine.keep_configuration();
        engine.keep();
        engine.end_other_versions();
        engine.look_at_hooks();
        Ok(engine)
    }

    /// Time since the start.
    pub(super) fn now(&self) -> Duration {
        self.since.elapsed()
    }

    /// What to ask now, and whom to ask; it counts as asked. Names of the policy come before those that replicas are looked for by.
    pub(super) fn due(&mut self) -> Option<(Lookup, Vec<Question>)> {
        let now = self.now();
        if self.next_question().is_none_or(|wake| wake > now) {
            return None;
        }
        // A new resolver is exempt before it is asked.
        let exempt = self.resolvers.exempt().to_vec();
        self.follow_resolvers();
        if self.resolvers.exempt() != exempt {
            self.settle();
        }
        let lookup = self.resolvers.lookup()?;
        let of_policy = self.cache.due(now, &mut self.pace);
        let of_policy = Question::for_families(of_policy, Question::Policy);
        let mut questions: Vec<_> = of_policy.collect();
        let sought = self.feeds.discovery.due(now, &mut self.pace);
        questions.extend(sought.into_iter().map(Question::Search));
        let asked = self.patterns.asked.due(now, &mut self.pace);
        questions.extend(Question::for_families(asked, Question::Pattern));
        (!questions.is_empty()).then_some((lookup, questions))
    }

    /// When the next name is due.
    fn next_question(&self) -> Option<Duration> {
        let of_policy = self.cache.next_wake(&self.pace);
        let sought = self.feeds.discovery.next_wake(&self.pace);
        let asked = self.patterns.asked.next_wake(&self.pace);
        of_policy.into_iter().chain(sought).chain(asked).min()
    }

    /// How long no tick is due. Cgroups that the policy speaks of are looked for `patience` after the last one at the latest.
    pub(super) fn idle(&self, patience: Duration) -> Duration {
        let next = self.next_question().unwrap_or(TTL_CEILING);
        let asks = self.feeds.next_wake().filter(|_| self.reach().is_some());
        let next = asks.map_or(next, |asks| asks.min(next));
        let ends = self.patterns.next_end(self.sources.config.dns.linger);
        let next = ends.map_or(next, |ends| ends.min(next));
        let idle = self.resolvers.patience(next.saturating_sub(self.now()));
        if self.sources.config.exceptions.is_empty() && self.sources.config.scope.is_none() {
            return idle;
        }
        let rescan = (self.ticked + patience).saturating_sub(self.now());
        let ends = self.standings.iter().filter_map(Standing::left);
        ends.fold(idle.min(rescan), Duration::min)
    }

    /// The cgroups that the policy speaks of: units with exceptions start and stop, slices come and go.
    pub(super) fn awaited(&self) -> Awaited {
        let mut awaited = Awaited::default();
        awaited.paths.extend(self.sources.config.scope.clone());
        for exception in &self.sources.config.exceptions {
            match &exception.target {
                Target::Unit(unit) => awaited.units.insert(unit.clone()),
                Target::Cgroup(path) => awaited.paths.insert(path.clone()),
            };
        }
        awaited
    }

    /// A registry was refused: perhaps an allowed one whose new address only the client has seen. Asks for all names again, so that the
    /// client's next try finds it open; no oftener than any name may be asked.
    pub(super) fn registry_refused(&mut self) {
        let now = self.now();
        if now.saturating_sub(self.hastened) >= TTL_FLOOR {
            self.hastened = now;
            self.cache.requery_now(now);
        }
    }

    /// Takes an answer, and puts what follows from it in force.
    pub(super) fn answered(&mut self, reply: Reply) {
        match reply {
            Reply::Policy(name, family, answer) => self.resolved(&name, family, answer),
            Reply::Search(name, answer) => self.searched(&name, &answer),
            Reply::Pattern(name, family, answer) => self.found_for_pattern(&name, family, answer),
        }
    }

    fn resolved(&mut self, name: &Name, family: Family, answer: Result<Resolved, LookupFailure>) {
        let now = self.now();
        if answer.is_ok() {
            self.expect_observation(name);
        }
        let sources = &self.sources;
        let check = |name: &Name, ip: IpAddr| sources.check_answer(name, ip);
        let outcome = self.cache.answered(name, (family, answer), &check, now);
        for (ip, why) in &outcome.refused {
            tracing::warn!(%name, address = %ip, "an answer was refused: {why}");
        }
        self.unsaved |= !outcome.added.is_empty();
        if outcome.has_changes() {
            self.settle();
        } else {
            self.look_around();
        }
    }

    /// Ends what has lingered long enough, looks after exceptions and ages, and puts what follows in force.
    pub(super) fn tick(&mut self) {
        let now = self.now();
        self.ticked = now;
        self.follow_scope();
        self.open_for_itself();
        self.inherited.expire(now);
        let gone = self.cache.expire(now);
        for (name, address) in &gone {
            tracing::debug!(%name, %address, "lingered long enough");
        }
        self.unsaved |= !gone.is_empty();
        self.patterns.expire(self.sources.config.dns.linger, now);
        self.follow_ends();
        self.take_over_lessons();
        self.settle();
        self.forget_lessons();
    }

    /// Takes the host's addresses anew.
    ///
    /// # Errors
    /// Where they cannot be listed.
    pub(super) fn addresses_changed(&mut self) -> Result<(), KernelError> {
        let own = local_addresses()?;
        if own != self.own {
            self.own = own;
            self.settle();
        }
        Ok(())
    }

    /// Writes the addresses for the next start, where they changed.
    pub(super) fn save(&mut self) {
        if !self.is_unsaved() {
            return;
        }
        let state = self.cache.persist(Timestamp::now(), self.now());
        let saved = state::save(&self.state_file(), &state);
        self.unsaved = saved.is_err();
        self.alarms.set(
            "state-unsaved",
            "",
            saved.err().map(|error| error.to_string()),
        );
    }

    /// Whether addresses changed since they were last saved.
    pub(super) fn is_unsaved(&self) -> bool {
        self.unsaved && !self.options.ephemeral
    }

    /// Whether the maps hold what was last meant to be in force, as far as is known.
    pub(super) fn is_settled(&self) -> bool {
        self.in_force.is_some()
    }

    /// What the maps hold.
    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    fn state_file(&self) -> PathBuf {
        self.sources.config.paths.state.join("state.json")
    }
}

fn lifetime(options: &Options, pins: &Pins) -> Result<Lifetime, KernelError> {
    if !options.ephemeral {
        return Ok(Lifetime::Pinned);
    }
    if !pins.any_judge()? {
        return Ok(Lifetime::Held);
    }
    Err(KernelError::Enforcing {
        path: pins.base().to_owned(),
    })
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.links.lifetime() == Lifetime::Held {
            self.links.close();
            if let Err(error) = self.pins.remove() {
                tracing::warn!("{error}");
            }
        }
    }
}

fn cache_settings(linger: Duration) -> CacheSettings {
    CacheSettings {
        linger,
        ttl_floor: TTL_FLOOR,
        ttl_ceiling: TTL_CEILING,
        seed: random::seed(),
        ..CacheSettings::default()
    }
}
