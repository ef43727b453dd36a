//! The network and the kernel objects below it: namespaces, links, cgroups, bpf file systems, and what crosses the link.

pub mod addresses;
pub mod bpffs;
pub mod bridged_container;
pub mod capture;
pub mod cgroup;
pub mod device_churn;
pub mod frame_capture;
pub mod frame_counter;
pub mod frame_sender;
pub(crate) mod mount_namespace;
pub(crate) mod mounts;
pub mod netns;
pub mod network;
pub mod packet_counter;
pub(crate) mod syscall;
