//! The reader of ClientHellos: on hellos built by hand, and against tls-parser on generated ones, most of them damaged.

mod again;
mod another;
mod anywhere;
mod connection;
mod generate;
mod hello;
mod kept;
#[path = "../kept/mod.rs"]
mod kept_inputs;
mod oracle;
mod payload;
#[path = "../random/mod.rs"]
mod random;
mod records;
mod reference;
mod refused;
mod segments;
mod world;
