//! What the kernel learns from DNS answers, and from which it learns nothing.

mod flood;
mod forgery;
mod genuine;
mod message;
mod older;
mod redirected;
mod refused;
mod scene;
mod server;
