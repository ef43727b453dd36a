//! Names and prefixes that change while the daemon runs: every way in which they reach it, and every way in which that fails.

mod arc_challenge;
mod azure_stand_in;
mod endpoints_file;
mod fixture;
mod published_updates;
mod region_discovery;
mod replica_churn;
mod resource_manager;
mod self_exception;
mod service_tags_url;
mod shrunken_service_tags;
mod source_failures;
mod status;
mod tag_discovery_api;
