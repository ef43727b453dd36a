//! Sources of names and prefixes: every kind of source, and every kind of failure, while the daemon runs.

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
