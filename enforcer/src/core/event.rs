//! Events for the core, with everything that the shell looked up for them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use enforcer_common::layout::{AddressGrant, DeviceMode, Settings, SnoopedGrant};
use enforcer_common::{DnsObservation, Hook};

use super::alarm_kind::AlarmKind;
use super::devices::{DevicePlan, FoundDevice, FoundFilters};
use super::ipsec_policy::IpsecPolicy;
use super::questions::Reply;
use crate::config::Target;
use crate::name::Name;
use crate::policy::Held;
use crate::sources::{Fetched, Sources, StaticSources};

/// An input of the reducer.
#[derive(Debug)]
pub(crate) enum Event {
    /// A query to a resolver was answered or failed.
    Answered(Box<Reply>),
    /// The programs observed DNS answers; each with the queried name if it differs from the known one.
    Observed(Vec<(DnsObservation, Option<String>)>),
    /// A registry's address was denied: possibly a new address of an allowed name that only the client has resolved.
    RegistryDenied,
    /// A request to a source was answered or failed.
    Fetched(Box<Fetched>),
    /// A watched file changed; with the new static sources, or the reason that the file cannot be used.
    FileRead(PathBuf, Result<Box<StaticSources>, String>),
    /// The host's own addresses changed.
    LocalAddresses(Vec<IpAddr>),
    /// Time passed, the clock was set, or cgroups were created or removed.
    Tick(Box<Surroundings>),
    /// The delay before saving changed addresses has elapsed.
    SaveDue,
    /// A reload was requested and the configuration read.
    Reload(Box<Reload>),
    /// The hooks and pins were checked.
    HooksChecked(HookCheck),
    /// The network devices were listed.
    DevicesListed(Result<Vec<FoundDevice>, String>),
    /// The IPsec policies of the daemon's network namespace were listed.
    IpsecPoliciesListed(Vec<IpsecPolicy>),
    /// A component of the shell fails, or works again.
    Alarm(AlarmKind, Option<String>),
    /// The programs are attached for the first time.
    Attached,
    /// The daemon is stopping.
    Stopping {
        /// Whether the program that takes over knows the filters of network devices.
        filters_stay: bool,
    },
    /// An effect has completed or failed.
    Acknowledged(Acknowledgement),
}

/// Host state that the shell looks up before a tick or a reload.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// Whether the programs are attached to the current governed cgroup rather than to a removed one.
    pub(crate) scope_is_current: bool,
    /// The enforcer's cgroup if no other process is in it, or why it cannot be used; `None` if nothing is fetched.
    pub(crate) own_cgroup: Option<Result<PathBuf, String>>,
    /// The cgroups of every target, including the enforcer's.
    pub(crate) cgroups: TargetCgroups,
    /// The DNS observations in the maps.
    pub(crate) observations: Result<Vec<Observation>, String>,
    /// The settings in the maps, which root may have changed.
    pub(crate) settings: Result<Settings, String>,
}

/// An address that the programs allowed because of a DNS answer, with its deadline and the querying cgroups.
pub(crate) type Observation = (AddressGrant, SnoopedGrant);

/// The cgroups of each target, or why they could not be looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetCgroups(pub(crate) Vec<(Target, Result<Vec<CgroupRef>, String>)>);

impl TargetCgroups {
    /// Returns the cgroups of a target; `None` if it was not looked up.
    pub(crate) fn get(&self, target: &Target) -> Option<Result<&[CgroupRef], &str>> {
        let (_, found) = self.0.iter().find(|(found, _)| found == target)?;
        Some(found.as_deref().map_err(String::as_str))
    }
}

/// A cgroup that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CgroupRef {
    /// The cgroup id.
    pub(crate) id: u64,
    /// The level in the hierarchy; the root is 0.
    pub(crate) level: u32,
    /// The path below the root of the hierarchy.
    pub(crate) path: PathBuf,
}

/// A newly read configuration.
#[derive(Debug)]
pub(crate) struct Reload {
    /// The sources, or why they cannot be used.
    pub(crate) read: Result<Sources, String>,
    /// The hosts that sources are fetched from.
    pub(crate) hosts: Vec<Name>,
    /// The resolvers of the new configuration, or else the system's.
    pub(crate) resolvers: Result<ResolverSet, String>,
    /// The host state, for the targets of the new configuration.
    pub(crate) surroundings: Surroundings,
}

/// The resolvers in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolverSet {
    /// Resolvers that the daemon queries.
    pub(crate) ask: Vec<SocketAddr>,
    /// Resolvers that every program may query.
    pub(crate) exempt: Vec<IpAddr>,
}

/// The result of a check of hooks and pins.
#[derive(Clone, Debug, Default)]
pub(crate) struct HookCheck {
    /// As in [`Surroundings`]; if false, the next tick reattaches everything.
    pub(crate) scope_is_current: bool,
    /// The programs whose link or pin is gone.
    pub(crate) detached: Vec<DetachedHook>,
    /// The message of the alarm about the socket memory limit.
    pub(crate) socket_memory: Option<String>,
}

/// A program whose link or pin is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DetachedHook {
    /// The program.
    pub(crate) name: &'static str,
    /// Whether it still judged: only its pin is gone.
    pub(crate) judged: bool,
}

/// The outcome of an effect. Errors are sentences.
#[derive(Debug)]
pub(crate) enum Acknowledgement {
    /// A policy was applied, or the previous one stays in force.
    Applied(Result<(), Box<ApplyFailure>>),
    /// The DNS observations in the maps.
    ObservationsRead(Result<Vec<Observation>, String>),
    /// Observations were removed, or some could not be.
    ObservationsRemoved(Result<(), String>),
    /// The current resolvers, or why they could not be read.
    ResolversRead(Result<ResolverSet, String>),
    /// Sockets connected to a resolver were marked.
    DnsSocketsListed(Result<(), String>),
    /// The programs were attached to the recreated governed cgroup.
    Reattached(Result<(), String>),
    /// Missing pins of maps were restored; with their names.
    PinsRestored(Result<Vec<String>, String>),
    /// A program was reattached and repinned.
    HookRestored(DetachedHook, Result<(), String>),
    /// The attached hooks.
    HooksListed(Vec<Hook>),
    /// The programs of network devices were loaded.
    DeviceProgramsLoaded(Result<(), String>),
    /// Filters of a device are in force; with those found afterwards, or `None` if the device is gone.
    DeviceFiltered(DevicePlan, Result<Option<FoundFilters>, String>),
    /// The device with this interface index has no filters of this instance.
    DeviceUnfiltered(u32, Result<(), String>),
    /// Socket options are refused, reported or ignored.
    OptionsGuarded(Option<DeviceMode>, Result<(), String>),
    /// The modes of forwarded frames are in force.
    ForwardedModesSet(Result<(), String>),
    /// The addresses were saved.
    AddressesSaved(Result<(), String>),
    /// The source data was saved.
    SourcesSaved(Result<(), String>),
    /// The configuration was saved.
    ConfigurationKept(Result<(), String>),
    /// The pins of these other versions were removed.
    OtherVersionsRemoved(Result<Vec<u32>, String>),
}

/// A failure to apply a policy, with the resulting content of the maps.
#[derive(Debug)]
pub(crate) struct ApplyFailure {
    /// The kernel's error.
    pub(crate) message: String,
    /// The content of the maps except prefixes of exceptions, which cannot be listed; or why it cannot be read.
    pub(crate) maps: Result<(Held, Settings), String>,
}
