//! Start of the daemon, with the reason for each step.

use anyhow::{Result, bail};
use enforcer_common::layout::Settings;

use super::clocks::Clocks;
use super::fetcher::Fetcher;
use super::host::Host;
use super::lookup::Resolvers;
use super::shell::Shell;
use crate::bpf::{Kernel, Lifetime, Links, Pins};
use crate::core::{Event, Run, Start, State};
use crate::policy::Held;
use crate::random;
use crate::sources::{Options, PersistedSources, Sources};
use crate::state;
use crate::sys::{Cgroup, KernelError, cgroup_root, local_addresses, network_cookie, own_cgroup};

/// Puts the policy in force. Once this returns, the policy is enforced.
///
/// # Errors
/// If any step fails; the previous policy then stays in force.
pub(super) fn start(options: &Options) -> Result<Shell> {
    let clocks = Clocks::start();
    // An invalid configuration must not end enforcement: the last accepted one takes its place.
    let (sources, refused) = Sources::read_or_accepted(options)?;
    // The cgroup must exist before anything is pinned for it.
    let root = cgroup_root()?;
    let scope = Cgroup::open(&root, sources.config.scope.as_deref().unwrap_or(&root))?;
    // One process at a time owns the pins, whatever its version.
    let pins = Pins::new(&sources.config.paths.pins);
    let lock = pins.prepare()?;
    let links = Links::new(lifetime(options, &pins)?);
    // If there are links of this version, the contents of the maps were in force.
    let is_takeover = pins.have_links();
    // If the verifier rejects the programs, nothing changes. Pinned maps keep their contents.
    let kernel = Kernel::load(&pins)?;
    let (held, settings) = (kernel.maps.held()?, kernel.maps.settings()?);
    let mut host = Host {
        root,
        scope,
        pins,
        kernel,
        links,
        devices: None,
        lock,
        resolvers: Resolvers::default(),
    };
    // The core restores what earlier runs saved, inherits what they allowed, and evaluates the first policy.
    let start = read(
        &mut host,
        options,
        (sources, refused),
        (held, settings),
        clocks,
    )?;
    let (state, effects) = State::start(
        Start {
            is_takeover,
            ..start
        },
        clocks.now(),
    );
    let mut shell = Shell::new(state, host, clocks);
    // The policy is in the maps before a program reads them.
    shell.run(effects);
    if let Some(why) = shell.state.refusal() {
        bail!("cannot put the policy in force: {why}");
    }
    // From here on the policy is enforced: each new link replaces an old one that still enforces.
    shell.host.attach()?;
    shell.publish_links();
    // The first events follow those of earlier runs.
    if !options.ephemeral {
        let config = &shell.state.sources().config;
        shell.log.keep_in(&config.paths.state, &config.log);
    }
    shell.run_deferred();
    // A device that cannot be filtered is an alarm. Before other versions' programs go, which may refuse socket options.
    shell.check_devices();
    // Marks DNS sockets, saves the state for the next start, and removes the programs of other versions.
    shell.feed(Event::Attached);
    shell.check_hooks();
    Ok(shell)
}

/// Reads the other inputs of the first policy.
fn read(
    host: &mut Host,
    options: &Options,
    (sources, refused): (Sources, Option<String>),
    (held, settings): (Held, Settings),
    clocks: Clocks,
) -> Result<Start> {
    let config = &sources.config;
    let hosts = Fetcher::hosts(config);
    let state_file = config.paths.state.join("state.json");
    Ok(Start {
        run: Run {
            ephemeral: options.ephemeral,
            scope: host.scope.path.clone(),
            config: options.source.file(),
            pid: std::process::id(),
            started: clocks.now().wall,
            network: network_cookie(),
            seed: random::seed(),
        },
        persisted: if options.ephemeral {
            Default::default()
        } else {
            PersistedSources::load(&config.paths.state, config.protect.cloud)
        },
        addresses: if options.ephemeral {
            Ok(None)
        } else {
            state::load(&state_file).map_err(|error| error.to_string())
        },
        is_takeover: false,
        allowed_by_others: host
            .pins
            .allowed_by_others()
            .map_err(|error| error.to_string()),
        judged_cgroup: judged_cgroup(host),
        local_addresses: local_addresses()?,
        resolvers: host.resolvers.follow(&config.dns.servers),
        surroundings: host.surroundings(config, !hosts.is_empty()),
        hosts,
        held,
        settings,
        refused,
        sources,
    })
}

/// Returns the id of the daemon's cgroup, if it is below the governed one, whose programs then apply to it.
fn judged_cgroup(host: &Host) -> Option<u64> {
    let own = Cgroup::open(&host.root, &own_cgroup().ok()?).ok()?;
    own.path.starts_with(&host.scope.path).then_some(own.id)
}

fn lifetime(options: &Options, pins: &Pins) -> Result<Lifetime, KernelError> {
    if !options.ephemeral {
        return Ok(Lifetime::Pinned);
    }
    if !pins.any_judge()? {
        return Ok(Lifetime::Held);
    }
    Err(KernelError::Enforcing {
        path: pins.base().to_owned(),
    })
}
