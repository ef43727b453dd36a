//! The ClientHello parser, on handmade inputs, and compared with tls-parser on generated ones.

mod any_name;
mod comparison;
mod connection;
mod denied;
mod fixture;
mod generate;
mod hand_over;
mod payload;
mod records;
mod reference;
mod retransmission;
mod second_hello;
mod segments;
mod server_names;
