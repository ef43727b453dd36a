//! What the kernel learns from DNS answers, and from which it learns nothing.

mod eviction;
mod fixture;
mod forged_answers;
mod genuine_answers;
mod ignored_answers;
mod preexisting_sockets;
mod redirected_resolver;
mod scripted_server;
