//! Configuration: TOML → validated values, with errors that name file, line and key.
