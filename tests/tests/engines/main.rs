//! Debian's container engines, their containers and their networks, while everything is enforced that can be: sockets of a cgroup, and frames
//! at the lab's network devices.

mod containerd;
mod containers;
mod docker;
mod events;
mod long_run;
mod places;
mod podman;
mod pull_churn;
mod scene;
mod tally;
