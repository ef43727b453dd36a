//! DNS snooping: answers from which the kernel allows addresses, and answers that it ignores.

mod eviction;
mod fixture;
mod forged_answers;
mod genuine_answers;
mod ignored_answers;
mod lookup;
mod preexisting_sockets;
mod redirected_resolver;
mod scripted_server;
mod watched_names;
