//! What a connection to an address that a name opened may begin with.

mod again;
mod another;
mod client;
mod first;
mod later;
mod records;
mod scene;
mod scopes;
mod sink;
mod ways;
