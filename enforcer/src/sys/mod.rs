//! Kernel interfaces other than BPF: cgroups, inotify, netlink, clocks and namespaces.

mod cgroup;
mod cgroup_watch;
mod clock;
mod device_watch;
mod dns_sockets;
mod driver;
mod empty_network;
mod error;
mod inotify;
mod ipsec;
mod kernel_release;
mod local_addresses;
mod netlink;
mod netns;
mod readable;
mod socket_memory;
mod tc;
mod timer;

pub use cgroup::{Cgroup, cgroup_root, own_cgroup, paths_by_id, unit_cgroups};
pub(crate) use cgroup::{ROOT_INODE, find_cgroup2};
pub use cgroup_watch::{Awaited, CgroupWatch};
pub use clock::{ClockWatch, boot_clock};
pub use device_watch::DeviceWatch;
pub use dns_sockets::dns_sockets;
pub(crate) use empty_network::enter_empty_network;
pub use error::KernelError;
pub(crate) use inotify::DirectoryWatch;
pub use ipsec::{IpsecWatch, ipsec_policies};
pub(crate) use kernel_release::kernel_release;
pub use local_addresses::{AddressWatch, local_addresses};
pub use netns::network_cookie;
pub(crate) use readable::readable;
pub use socket_memory::optmem_shortage;
pub(crate) use socket_memory::{OPTMEM_MAX, optmem_fix, optmem_found, optmem_shortage_of};
pub use tc::{BpfFilter, Device, Filter, IngressQdisc, TcHook, devices, filters, ingress_qdiscs};
pub use timer::Timer;
