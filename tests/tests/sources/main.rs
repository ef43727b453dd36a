//! x
mod stand_in;
