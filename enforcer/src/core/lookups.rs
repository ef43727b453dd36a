//! Name resolution: due queries, and handling of answers.

use std::net::IpAddr;
use std::time::Duration;

use super::alarm_kind::AlarmKind;
use super::effect::Effect;
use super::event::ResolverSet;
use super::questions::{Question, Reply};
use super::state::State;
use crate::name::Name;
use crate::resolver::answer::Family;
use crate::resolver::answer::{LookupFailure, Resolved};

impl State {
    /// Returns when the next name is due, as time since the start.
    pub(super) fn next_question(&self) -> Option<Duration> {
        let of_policy = self.cache.next_wake(&self.rate_limiter);
        let sought = self.dynamic.discovery.next_wake(&self.rate_limiter);
        let asked = self.patterns.asked.next_wake(&self.rate_limiter);
        of_policy.into_iter().chain(sought).chain(asked).min()
    }

    /// Queries the names that are due, and marks them as queried. Names of the policy come before candidate names of replicas.
    pub(super) fn resolve(&mut self) {
        if self.resolvers.is_none() {
            return;
        }
        let now = self.now.since_start;
        let limiter = &mut self.rate_limiter;
        let of_policy = self.cache.due(now, limiter);
        let of_policy = Question::for_families(of_policy, Question::Policy);
        let mut questions: Vec<_> = of_policy.collect();
        let sought = self.dynamic.discovery.due(now, limiter);
        questions.extend(sought.into_iter().map(Question::Search));
        let asked = self.patterns.asked.due(now, limiter);
        questions.extend(Question::for_families(asked, Question::Pattern));
        if !questions.is_empty() {
            self.effects.push(Effect::Resolve(questions));
        }
    }

    /// Adopts the resolvers read. New ones are exempt before they are queried.
    pub(super) fn resolvers_read(&mut self, read: Result<ResolverSet, String>) {
        self.due.reading_resolvers = false;
        let exempt = self.exempt().to_vec();
        self.take_resolvers(read);
        self.due.reconcile |= self.exempt() != exempt;
        self.due.resolve = true;
    }

    /// Adopts resolvers; if they are unknown, the current ones stay.
    pub(super) fn take_resolvers(&mut self, read: Result<ResolverSet, String>) {
        let failure = match read {
            Ok(resolvers) => {
                self.resolvers = Some(resolvers);
                None
            }
            Err(error) => Some(error),
        };
        self.report(AlarmKind::ResolversUnknown, failure);
    }

    /// Returns the resolvers that every program may query.
    pub(super) fn exempt(&self) -> &[IpAddr] {
        self.resolvers.as_ref().map_or(&[], |set| &set.exempt)
    }

    /// Handles an answer, and puts the result in force.
    pub(super) fn answered(&mut self, reply: Reply) {
        match reply {
            Reply::Policy(name, family, answer) => self.resolved(&name, family, answer),
            Reply::Search(name, answer) => self.searched(&name, &answer),
            Reply::Pattern(name, family, answer) => self.found_for_pattern(&name, family, answer),
        }
    }

    fn resolved(&mut self, name: &Name, family: Family, answer: Result<Resolved, LookupFailure>) {
        let now = self.now.since_start;
        if answer.is_ok() {
            self.expect_observation(name);
        }
        let sources = &self.sources;
        let check = |name: &Name, ip: IpAddr| sources.check_answer(name, ip);
        let outcome = self.cache.answered(name, (family, answer), &check, now);
        for (ip, why) in &outcome.refused {
            tracing::warn!(%name, address = %ip, "an answer was refused: {why}");
        }
        self.unsaved |= !(outcome.added.is_empty() && outcome.confirmed.is_empty());
        if outcome.has_changes() {
            self.due.reconcile = true;
        } else {
            self.refresh_alarms();
        }
    }

    /// Marks sockets that connected to a resolver before the programs were attached, or before it was configured. Later connections are
    /// marked by the programs.
    pub(super) fn list_dns_sockets(&mut self) {
        let servers = self.maps.held.resolvers.clone();
        self.effects.push(Effect::ListDnsSockets(servers));
    }

    pub(super) fn dns_sockets_listed(&mut self, outcome: Result<(), String>) {
        let failure = outcome.err().map(|error| {
            format!(
                "answers to sockets that were connected to a resolver before are not read in the kernel, so that a new address of theirs is denied \
                 until the daemon itself has resolved its name: {error}"
            )
        });
        self.report(AlarmKind::DnsSocketsUnlisted, failure);
    }
}
