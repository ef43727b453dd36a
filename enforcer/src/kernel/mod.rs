//! The one place that talks to the kernel about programs, maps, links and cgroups.

mod apply;
mod attach;
mod cgroup;
mod cgroup_watch;
mod clock_watch;
mod counters;
mod error;
mod events;
mod inotify;
mod link;
mod maps;
mod object;
mod outer;
mod own;
mod pins;
mod probe;
mod question;
mod raw;
mod readable;
mod versions;
mod view;

pub use attach::Lifetime;
pub use cgroup::{Cgroup, cgroup_root, paths_by_id, unit_cgroups};
pub use cgroup_watch::{Awaited, CgroupWatch};
pub use clock_watch::ClockWatch;
pub use counters::{Count, Counters};
pub use error::KernelError;
pub use events::EventReader;
pub(crate) use inotify::DirectoryWatch;
pub use maps::Maps;
pub use object::{Kernel, OBJECT};
pub use own::{AddressWatch, own_addresses};
pub use pins::{PinLock, Pins, mount_bpffs};
pub use probe::{Finding, probe};
pub use question::{Answer, Question};
pub use view::{LivePolicy, boot_clock};
