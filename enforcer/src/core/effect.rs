//! What the shell does for the core, in the order in which it is returned.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use enforcer_common::layout::{AddressGrant, AddressKey};

use super::alarm_kind::AlarmKind;
use super::event::DetachedHook;
use super::event_record::EventRecord;
use super::questions::Question;
use crate::azure::PinnedAddresses;
use crate::config::{self, Cloud};
use crate::policy::{Desired, Held, Protected, Tables};
use crate::sources::{PersistedSources, SourceRequest};
use crate::state::State as SavedAddresses;

/// Something to do. Those of the first group are acknowledged; those of the second one end in an event of their own; the last ones cannot fail.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Put a policy in force.
    Apply(PolicyChange),
    /// Read what the programs hold of DNS answers.
    ReadObservations,
    /// Remove observations.
    RemoveObservations(ObservationsRemoval),
    /// Read the resolvers: these or, where there are none, the system's.
    ReadResolvers(Vec<SocketAddr>),
    /// Mark the sockets that are connected to one of these resolvers.
    ListDnsSockets(BTreeMap<AddressKey, u32>),
    /// Attach every program to the governed cgroup, which was made again.
    Reattach,
    /// Lock the directory of the pins, and pin those maps whose pins are gone.
    RestorePins,
    /// Attach a program again.
    RestoreHook(DetachedHook),
    /// List the hooks that are attached.
    ListHooks,
    /// Save the addresses for the next start.
    SaveAddresses(PathBuf, SavedAddresses),
    /// Save what the sources said, as far as it differs from what is saved.
    SaveSources(Box<SourcesSave>),
    /// Keep the accepted configuration, in this directory, for the next start.
    KeepConfiguration(PathBuf, String),
    /// Remove the pins of other versions: this one's links judge by now.
    RemoveOtherVersions,

    /// Ask the resolvers at hand; each answer is an event.
    Resolve(Vec<Question>),
    /// Fetch from sources; each answer is an event.
    Fetch(Box<FetchBatch>),

    /// Watch what the configuration in force names.
    WatchConfigured,
    /// Log an event, and give it to the readers of events.
    Note(Box<EventRecord>),
    /// Give an event to the readers of events; an alarm logs it.
    Tell(Box<EventRecord>),
    /// Log that an alarm is raised.
    AlarmRaised(AlarmKind, String),
    /// Log that an alarm ended.
    AlarmCleared(AlarmKind, String),
}

/// From what the maps hold to what they should.
#[derive(Clone, Debug)]
pub(crate) struct PolicyChange {
    /// What they hold, as acknowledged.
    pub(crate) held: Arc<Held>,
    /// What they should hold.
    pub(crate) desired: Arc<Desired>,
    /// Whether the protected set changes.
    pub(crate) tables: bool,
    /// The number of the new policy.
    pub(crate) generation: u64,
}

/// A change of policy that the shell has not acknowledged yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) protected: Protected,
    pub(super) tables: Arc<Tables>,
    pub(super) desired: Arc<Desired>,
    pub(super) generation: u64,
}

/// Observations that are to go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObservationsRemoval {
    /// What is over, or in force by the daemon's own policy.
    pub(crate) done: Vec<AddressGrant>,
    /// What was allowed and must not be: connections that were verified by it are judged again.
    pub(crate) revoked: Vec<AddressGrant>,
}

/// What the sources say now, and what is saved of it.
#[derive(Debug)]
pub(crate) struct SourcesSave {
    /// The state directory.
    pub(crate) directory: PathBuf,
    /// What is saved.
    pub(crate) before: PersistedSources,
    /// What should be.
    pub(crate) now: PersistedSources,
}

/// Requests to sources, and how they are made.
#[derive(Clone, Debug)]
pub(crate) struct FetchBatch {
    /// The identity.
    pub(crate) azure: config::Azure,
    /// The cloud.
    pub(crate) cloud: Cloud,
    /// The addresses of the hosts.
    pub(crate) reach: Rc<PinnedAddresses>,
    /// The requests.
    pub(crate) requests: Vec<SourceRequest>,
}
