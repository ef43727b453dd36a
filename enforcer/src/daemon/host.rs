//! The kernel and the files that effects act on.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use enforcer_common::layout::Settings;

use super::lookup::Resolvers;
use crate::bpf::{DevicePrograms, Kernel, Lifetime, Links, PinLock, Pins};
use crate::core::{Acknowledgement, ApplyFailure, DetachedHook, Effect, Observation, PolicyChange};
use crate::policy::Held;
use crate::sources::keep_configuration;
use crate::state;
use crate::sys::{Cgroup, KernelError, dns_sockets};

/// Host resources that the daemon owns.
pub(super) struct Host {
    /// The root of the cgroup tree.
    pub(super) root: PathBuf,
    /// The governed cgroup.
    pub(super) scope: Cgroup,
    pub(super) pins: Pins,
    pub(super) kernel: Kernel,
    pub(super) links: Links,
    /// The programs of network devices, if these have filters.
    pub(super) devices: Option<DevicePrograms>,
    pub(super) lock: PinLock,
    pub(super) resolvers: Resolvers,
}

impl Host {
    /// Runs an effect and returns its acknowledgement.
    ///
    /// # Errors
    /// The effect itself, if it does not act on the host.
    pub(super) fn run(&mut self, effect: Effect) -> Result<Acknowledgement, Effect> {
        Ok(match effect {
            Effect::Apply(change) => Acknowledgement::Applied(self.apply(&change)),
            Effect::ReadObservations => Acknowledgement::ObservationsRead(self.observations()),
            Effect::RemoveObservations(removal) => {
                let maps = &mut self.kernel.maps;
                let removed = maps.remove_snooped(&removal.done);
                let revoked = maps.revoke_snooped(&removal.revoked);
                Acknowledgement::ObservationsRemoved(sentence(removed.and(revoked)))
            }
            Effect::ReadResolvers(configured) => {
                Acknowledgement::ResolversRead(self.resolvers.follow(&configured))
            }
            Effect::ListDnsSockets(servers) => {
                let listed = dns_sockets(&servers);
                let marked = listed.and_then(|found| self.kernel.maps.set_dns_sockets(&found));
                Acknowledgement::DnsSocketsListed(sentence(marked))
            }
            Effect::Reattach => Acknowledgement::Reattached(sentence(self.reattach())),
            Effect::RestorePins => Acknowledgement::PinsRestored(sentence(self.restore_pins())),
            Effect::RestoreHook(hook) => {
                Acknowledgement::HookRestored(hook, sentence(self.restore_hook(hook)))
            }
            Effect::ListHooks => Acknowledgement::HooksListed(self.links.attached(&self.scope)),
            Effect::LoadDevicePrograms => {
                Acknowledgement::DeviceProgramsLoaded(sentence(self.load_device_programs()))
            }
            Effect::FilterDevice(plan) => {
                let filtered = sentence(self.filter_device(&plan));
                Acknowledgement::DeviceFiltered(plan, filtered)
            }
            Effect::UnfilterDevice(index, name) => {
                let unfiltered = sentence(self.unfilter_device(index, &name));
                Acknowledgement::DeviceUnfiltered(index, unfiltered)
            }
            Effect::GuardOptions(mode) => {
                Acknowledgement::OptionsGuarded(mode, self.guard_options(mode))
            }
            Effect::SetForwardedModes(modes) => {
                Acknowledgement::ForwardedModesSet(sentence(self.set_forwarded_modes(&modes)))
            }
            Effect::SaveAddresses(path, addresses) => {
                let saved = state::save(&path, &addresses);
                Acknowledgement::AddressesSaved(saved.map_err(|error| error.to_string()))
            }
            Effect::SaveSources(save) => {
                let saved = save.now.save(&save.before, &save.directory);
                Acknowledgement::SourcesSaved(file_sentence(saved))
            }
            Effect::KeepConfiguration(directory, text) => {
                let saved = keep_configuration(&directory, &text);
                Acknowledgement::ConfigurationKept(file_sentence(saved))
            }
            Effect::RemoveOtherVersions => {
                Acknowledgement::OtherVersionsRemoved(sentence(self.pins.remove_others()))
            }
            other @ (Effect::Resolve(_)
            | Effect::Fetch(_)
            | Effect::WatchConfigured
            | Effect::Note(_)
            | Effect::Tell(_)
            | Effect::AlarmRaised(..)
            | Effect::AlarmCleared(..)) => return Err(other),
        })
    }

    fn apply(&mut self, change: &PolicyChange) -> Result<(), Box<ApplyFailure>> {
        let PolicyChange {
            held,
            reads_held,
            desired,
            tables,
            generation,
        } = change;
        let maps = &mut self.kernel.maps;
        let held = if *reads_held {
            maps.held().map(|found| {
                let prefixes = held.prefixes.clone();
                Arc::new(Held { prefixes, ..found })
            })
        } else {
            Ok(Arc::clone(held))
        };
        let applied = held.and_then(|held| maps.apply(&held, desired, *tables, *generation));
        applied.map_err(|error| {
            let found = maps.held().and_then(|held| Ok((held, maps.settings()?)));
            Box::new(ApplyFailure {
                message: error.to_string(),
                maps: sentence(found),
            })
        })
    }

    /// Returns the DNS observations of the programs.
    pub(super) fn observations(&self) -> Result<Vec<Observation>, String> {
        sentence(self.kernel.maps.snooped_claims())
    }

    /// Returns the settings in the maps.
    pub(super) fn settings(&self) -> Result<Settings, String> {
        sentence(self.kernel.maps.settings())
    }

    /// Attaches every program for the first time.
    ///
    /// # Errors
    /// If the kernel refuses a link.
    pub(super) fn attach(&mut self) -> Result<(), KernelError> {
        self.kernel.attach(&self.scope, &mut self.links)
    }

    fn reattach(&mut self) -> Result<(), KernelError> {
        let scope = Cgroup::open(&self.root, &self.scope.path)?;
        self.kernel.attach(&scope, &mut self.links)?;
        self.scope = scope;
        self.attach_options()
    }

    fn restore_pins(&mut self) -> Result<Vec<String>, KernelError> {
        self.pins.prepare_again(&mut self.lock)?;
        let mut pinned = self.kernel.pin_again()?;
        if let Some(programs) = &self.devices {
            pinned.extend(programs.pin_again()?);
        }
        Ok(pinned)
    }

    fn restore_hook(&mut self, hook: DetachedHook) -> Result<(), KernelError> {
        let Self { kernel, scope, .. } = self;
        match Kernel::attaches(hook.name) {
            true => kernel.attach_program(hook.name, scope, &mut self.links),
            false => self.attach_options(),
        }
    }

    /// Attaches the programs that refuse socket options, if they are to be and are not.
    fn attach_options(&mut self) -> Result<(), KernelError> {
        let Some(programs) = self.devices.as_mut() else {
            return Ok(());
        };
        programs.attach_options(&self.pins, &self.scope, &mut self.links)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.links.lifetime() == Lifetime::Held {
            self.links.close();
            if let Err(error) = self.pins.remove() {
                tracing::warn!("{error}");
            }
        }
    }
}

pub(super) fn sentence<T>(outcome: Result<T, KernelError>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}

fn file_sentence(outcome: io::Result<()>) -> Result<(), String> {
    outcome.map_err(|error| error.to_string())
}
