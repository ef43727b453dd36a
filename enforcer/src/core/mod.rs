//! The daemon's state and decisions, as a reducer: [`State::on`](state::State::on) takes an event with everything that was looked up for
//! it, and returns effects. Nothing here reads a file, a clock, a socket or a map; log lines are its only direct output.

mod alarm_kind;
mod alarms;
mod audited;
mod clock;
mod counters;
mod device_status;
mod devices;
mod dns_observations;
mod dns_visibility;
mod effect;
mod evaluate;
mod event;
mod event_group;
mod event_kind;
mod event_record;
mod exception_state;
mod exceptions;
mod follow_sources;
mod handle;
mod health;
pub(crate) mod hook_words;
mod hooks;
mod hosts_file;
mod inherited;
mod ipsec;
mod ipsec_policy;
mod lookups;
mod missing_hooks;
mod name_status;
mod observation_budgets;
mod patterns;
mod persist;
mod policy_inputs;
#[cfg(test)]
mod properties;
mod queried_names;
mod questions;
mod reconcile;
mod registry_names;
mod reload;
mod self_exception;
mod sentence;
mod snapshot;
mod source_changes;
mod source_status;
mod start;
mod state;
mod status;
mod tags_status;
#[cfg(test)]
pub(crate) mod test_data;
mod unit_denials;

pub use alarm_kind::AlarmKind;
pub use audited::AuditedDestination;
pub use counters::{Count, Counters};
pub use device_status::{DeviceState, DeviceStatus};
pub(crate) use devices::{
    Choice, DevicePlan, ForwardedModes, FoundDevice, FoundFilter, FoundFilters, choose,
};
pub(crate) use effect::{Effect, FetchBatch, PolicyChange};
pub(crate) use evaluate::protected;
pub(crate) use event::{
    Acknowledgement, ApplyFailure, CgroupRef, DetachedHook, Event, HookCheck, Observation, Reload,
    ResolverSet, Surroundings, TargetCgroups,
};
pub(crate) use event_group::EventGroup;
pub use event_kind::{ALARM_CLEARED, ALARM_RAISED, EventKind, NOTE};
pub use event_record::EventRecord;
pub(crate) use event_record::PROOF;
pub(crate) use ipsec::hidden_by;
pub use ipsec_policy::IpsecPolicy;
pub use missing_hooks::MissingHooks;
pub(crate) use questions::{Question, Reply};
pub(crate) use self_exception::REASON as SELF_EXCEPTION;
pub use snapshot::{
    AddressStatus, Alarm, ExceptionStatus, NameStatus, PatternStatus, RegistryStatus, RemovedName,
    SourceStatus, Status,
};
pub use source_status::SourceKind;
pub(crate) use start::Start;
pub(crate) use state::{Run, State};
pub(crate) use status::Snapshot;
pub use tags_status::{TagsChange, TagsStatus};
pub use unit_denials::UnitCount;
pub(crate) use unit_denials::UnitDenials;
