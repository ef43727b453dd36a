//! Effects that the shell runs for the core, in the order returned.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use enforcer_common::layout::{AddressGrant, AddressKey, DeviceMode};

use super::alarm_kind::AlarmKind;
use super::devices::{DevicePlan, ForwardedModes};
use super::event::DetachedHook;
use super::event_record::EventRecord;
use super::questions::Question;
use crate::azure::PinnedAddresses;
use crate::config::{self, Cloud};
use crate::policy::{Desired, Held, Protected, Tables};
use crate::sources::{PersistedSources, SourceRequest};
use crate::state::State as SavedAddresses;

/// An action for the shell. The first group is acknowledged, the second results in separate events, and the last cannot fail.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Put a policy in force.
    Apply(PolicyChange),
    /// Read the DNS observations in the maps.
    ReadObservations,
    /// Remove observations.
    RemoveObservations(ObservationsRemoval),
    /// Read the resolvers: these or, if empty, the system's.
    ReadResolvers(Vec<SocketAddr>),
    /// Mark sockets connected to one of these resolvers.
    ListDnsSockets(BTreeMap<AddressKey, u32>),
    /// Attach every program to the recreated governed cgroup.
    Reattach,
    /// Lock the pin directory, and repin maps whose pins are gone.
    RestorePins,
    /// Reattach a program.
    RestoreHook(DetachedHook),
    /// List the attached hooks.
    ListHooks,
    /// Load the programs of network devices.
    LoadDevicePrograms,
    /// Put filters of a network device in force.
    FilterDevice(DevicePlan),
    /// Remove this instance's filters from the device with this interface index and name, which may be gone.
    UnfilterDevice(u32, String),
    /// Refuse socket options with which packets pass the filters, or only report them; `None`: no longer.
    GuardOptions(Option<DeviceMode>),
    /// Set what becomes of denied frames that are forwarded, by the device that they came in by.
    SetForwardedModes(ForwardedModes),
    /// Save the addresses for the next start.
    SaveAddresses(PathBuf, SavedAddresses),
    /// Save source data that differs from the saved data.
    SaveSources(Box<SourcesSave>),
    /// Save the accepted configuration in this directory for the next start.
    KeepConfiguration(PathBuf, String),
    /// Remove pins of other versions: the links of this version are in force.
    RemoveOtherVersions,

    /// Query the current resolvers; each answer is an event.
    Resolve(Vec<Question>),
    /// Fetch from sources; each answer is an event.
    Fetch(Box<FetchBatch>),

    /// Watch the files that the configuration in force names.
    WatchConfigured,
    /// Log an event, and publish it to event readers.
    Note(Box<EventRecord>),
    /// Publish an event to event readers; an alarm logs it.
    Tell(Box<EventRecord>),
    /// Log that an alarm is raised.
    AlarmRaised(AlarmKind, String),
    /// Log that an alarm is cleared.
    AlarmCleared(AlarmKind, String),
}

/// A change from the current to the desired content of the maps.
#[derive(Clone, Debug)]
pub(crate) struct PolicyChange {
    /// The current content, as acknowledged.
    pub(crate) held: Arc<Held>,
    /// Whether the maps may hold anything else, except for prefixes of exceptions, and are read first.
    pub(crate) reads_held: bool,
    /// The desired content.
    pub(crate) desired: Arc<Desired>,
    /// Whether the tables of the protected set change.
    pub(crate) tables: bool,
    /// The generation of the new policy.
    pub(crate) generation: u64,
}

/// A policy change that the shell has not acknowledged yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) protected: Protected,
    pub(super) tables: Arc<Tables>,
    pub(super) desired: Arc<Desired>,
    pub(super) generation: u64,
}

/// Observations to remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObservationsRemoval {
    /// Expired observations, and those covered by the daemon's policy.
    pub(crate) done: Vec<AddressGrant>,
    /// Grants that are no longer allowed: connections verified by them are judged again.
    pub(crate) revoked: Vec<AddressGrant>,
}

/// Current source data, and the data last saved.
#[derive(Debug)]
pub(crate) struct SourcesSave {
    /// The state directory.
    pub(crate) directory: PathBuf,
    /// The data last saved.
    pub(crate) before: PersistedSources,
    /// The data to save.
    pub(crate) now: PersistedSources,
}

/// Requests to sources, with the identity and addresses to use.
#[derive(Clone, Debug)]
pub(crate) struct FetchBatch {
    /// The Azure identity.
    pub(crate) azure: config::Azure,
    /// The cloud.
    pub(crate) cloud: Cloud,
    /// The pinned addresses of the hosts.
    pub(crate) reach: Rc<PinnedAddresses>,
    /// The requests.
    pub(crate) requests: Vec<SourceRequest>,
}
