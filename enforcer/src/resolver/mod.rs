//! Names to addresses: a sans-IO cache and schedule, and the half that asks the resolvers.

pub mod answer;
pub mod asked;
pub mod cache;
pub mod discovery;
pub mod hosts;
pub mod lookup;
pub mod pace;
pub mod system;
