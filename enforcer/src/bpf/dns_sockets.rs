//! The map of sockets that are connected to resolvers.

use std::collections::BTreeMap;

use enforcer_common::layout::AddressKey;

use super::Maps;
use super::apply::remove;
use crate::sys::KernelError;

impl Maps {
    /// Replaces the entries by `listed`.
    ///
    /// # Errors
    /// If the map cannot be read or written.
    pub fn set_dns_sockets(
        &mut self,
        listed: &BTreeMap<u64, AddressKey>,
    ) -> Result<(), KernelError> {
        let held: Result<Vec<u64>, _> = self.dns_sockets.keys().collect();
        let mut gone =
            held.map_err(KernelError::failed("read the sockets that query resolvers"))?;
        gone.retain(|cookie| !listed.contains_key(cookie));
        // Removed first, to make room.
        remove(&mut self.dns_sockets, &gone)?;
        for (cookie, server) in listed {
            self.dns_sockets
                .insert(cookie, server, 0)
                .map_err(KernelError::failed(
                    "write a socket that queries a resolver",
                ))?;
        }
        Ok(())
    }

    /// The entries, by socket cookie.
    ///
    /// # Errors
    /// If the map cannot be read.
    pub fn dns_sockets(&self) -> Result<BTreeMap<u64, AddressKey>, KernelError> {
        let read: Result<_, _> = self.dns_sockets.iter().collect();
        read.map_err(KernelError::failed("read the sockets that query resolvers"))
    }
}
