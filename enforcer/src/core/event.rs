//! What can happen to the daemon, with everything that the shell looked up for it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use enforcer_common::layout::{AddressGrant, Settings, SnoopedGrant};
use enforcer_common::{DnsObservation, Hook};

use super::alarm_kind::AlarmKind;
use super::questions::Reply;
use crate::config::Target;
use crate::name::Name;
use crate::policy::Held;
use crate::sources::{Fetched, Sources, StaticSources};

/// Something that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A question to a resolver has an answer, or failed.
    Answered(Box<Reply>),
    /// The programs observed DNS answers; each with the name that was asked for, where it is not the known one.
    Observed(Vec<(DnsObservation, Option<String>)>),
    /// A registry's address was denied: perhaps a new one of an allowed name, which only the client has seen.
    RegistryDenied,
    /// A request to a source has an answer, or failed.
    Fetched(Box<Fetched>),
    /// A watched file changed; what all static sources say now, or why the file cannot be used.
    FileRead(PathBuf, Result<Box<StaticSources>, String>),
    /// The host's own addresses changed.
    LocalAddresses(Vec<IpAddr>),
    /// Time passed, the clock was set, or cgroups appeared or went.
    Tick(Box<Surroundings>),
    /// The addresses have waited long enough to be saved.
    SaveDue,
    /// The configuration was read again on request.
    Reload(Box<Reload>),
    /// The hooks and pins were checked.
    HooksChecked(HookCheck),
    /// Something of the shell fails, or works again.
    Alarm(AlarmKind, Option<String>),
    /// The programs are attached for the first time.
    Attached,
    /// The daemon is about to end.
    Stopping,
    /// An effect was run.
    Acknowledged(Acknowledgement),
}

/// What the shell looks up of the host before a tick or a reload.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// Whether the cgroup that is governed is still the one that the programs are attached to.
    pub(crate) scope_is_current: bool,
    /// The enforcer's own cgroup, if nothing else is in it, or why it cannot be used; `None` where nothing is fetched.
    pub(crate) own_cgroup: Option<Result<PathBuf, String>>,
    /// The cgroups of every target, the own one included.
    pub(crate) cgroups: TargetCgroups,
    /// What the programs hold of DNS answers.
    pub(crate) observations: Result<Vec<Observation>, String>,
}

/// An address that the programs allowed by a DNS answer, with its end and the cgroups that asked.
pub(crate) type Observation = (AddressGrant, SnoopedGrant);

/// The cgroups of targets, or why they could not be looked up.
#[derive(Clone, Debug, Default)]
pub(crate) struct TargetCgroups(pub(crate) Vec<(Target, Result<Vec<CgroupRef>, String>)>);

impl TargetCgroups {
    /// The cgroups of a target; `None` where nobody looked.
    pub(crate) fn get(&self, target: &Target) -> Option<Result<&[CgroupRef], &str>> {
        let (_, found) = self.0.iter().find(|(found, _)| found == target)?;
        Some(found.as_deref().map_err(String::as_str))
    }
}

/// A cgroup that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CgroupRef {
    /// Its id.
    pub(crate) id: u64,
    /// Its level in the tree; the root is 0.
    pub(crate) level: u32,
    /// Its path below the root of the tree.
    pub(crate) path: PathBuf,
}

/// A configuration that was read again.
#[derive(Debug)]
pub(crate) struct Reload {
    /// The sources, or why they cannot be used.
    pub(crate) read: Result<Sources, String>,
    /// The hosts that they are fetched from.
    pub(crate) hosts: Vec<Name>,
    /// The resolvers of the new configuration, or else the system's.
    pub(crate) resolvers: Result<ResolverSet, String>,
    /// With the targets of the new configuration.
    pub(crate) surroundings: Surroundings,
}

/// Resolvers that can be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolverSet {
    /// Whom the daemon asks.
    pub(crate) ask: Vec<SocketAddr>,
    /// Those that every program may ask.
    pub(crate) exempt: Vec<IpAddr>,
}

/// How the hooks and pins were found.
#[derive(Clone, Debug, Default)]
pub(crate) struct HookCheck {
    /// As in [`Surroundings`]; where it is not, the next tick attaches everything.
    pub(crate) scope_is_current: bool,
    /// The programs whose link is not as it was left.
    pub(crate) detached: Vec<DetachedHook>,
    /// The message of the alarm about the limit of socket memory.
    pub(crate) socket_memory: Option<String>,
}

/// A program whose link is not as it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DetachedHook {
    /// The program.
    pub(crate) name: &'static str,
    /// Whether it judged all the same: only its pin is gone.
    pub(crate) judged: bool,
}

/// What came of an effect. Errors are sentences.
#[derive(Debug)]
pub(crate) enum Acknowledgement {
    /// A policy is in force, or the one before still is.
    Applied(Result<(), Box<ApplyFailure>>),
    /// What the programs hold of DNS answers.
    ObservationsRead(Result<Vec<Observation>, String>),
    /// Observations were removed, or not all of them.
    ObservationsRemoved(Result<(), String>),
    /// The resolvers at hand, or why there are none new.
    ResolversRead(Result<ResolverSet, String>),
    /// The sockets that are connected to a resolver are marked.
    DnsSocketsListed(Result<(), String>),
    /// The programs are attached to the governed cgroup that was made again.
    Reattached(Result<(), String>),
    /// Pins of maps that were gone are restored: which.
    PinsRestored(Result<Vec<String>, String>),
    /// A program is attached and pinned again.
    HookRestored(DetachedHook, Result<(), String>),
    /// The hooks that are attached now.
    HooksListed(Vec<Hook>),
    /// The addresses are saved.
    AddressesSaved(Result<(), String>),
    /// What the sources said is saved.
    SourcesSaved(Result<(), String>),
    /// The configuration is kept.
    ConfigurationKept(Result<(), String>),
    /// The pins of these other versions are removed.
    OtherVersionsRemoved(Result<Vec<u32>, String>),
}

/// A policy that could not be applied, and what the maps hold then.
#[derive(Debug)]
pub(crate) struct ApplyFailure {
    /// What the kernel refused.
    pub(crate) message: String,
    /// What the maps hold, the prefixes of exceptions aside, which cannot be listed; or why they cannot be read.
    pub(crate) maps: Result<(Held, Settings), String>,
}
