//! Ways around the sockets' hooks, each with the cgroup programs in force: first without the device hook, when the packet arrives at the far
//! side and no event reports it, then with it, when the packet is denied and an event names its destination.

mod changed_pages;
mod client;
mod comparison;
mod container_frames;
mod controls;
mod conversations;
mod crafted_hellos;
mod fixture;
mod link_headers;
mod links;
mod mini_tcp;
mod overlay;
mod packet_sockets;
mod redirected_connections;
mod second_connections;
mod server;
mod topology;
mod tunnel_devices;
