//! Names to addresses: a sans-IO cache and schedule, and the half that asks the resolvers.
