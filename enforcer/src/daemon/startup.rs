//! How the daemon starts: step by step, each with its reason.

use anyhow::{Result, bail};
use enforcer_common::layout::Settings;

use super::clocks::Clocks;
use super::fetcher::Fetcher;
use super::host::Host;
use super::lookup::Resolvers;
use super::own_cgroup::own_path;
use super::shell::Shell;
use crate::bpf::{Kernel, Lifetime, Links, Pins};
use crate::core::{Event, Run, Start, State};
use crate::policy::Held;
use crate::random;
use crate::sources::{Options, PersistedSources, Sources};
use crate::state;
use crate::sys::{Cgroup, KernelError, cgroup_root, local_addresses, network_cookie};

/// Puts the policy in force. When this returns, it is enforced.
///
/// # Errors
/// Where anything of that fails; then what was in force before still is.
pub(super) fn start(options: &Options) -> Result<Shell> {
    let clocks = Clocks::start();
    // An invalid configuration must not end enforcement: the last accepted one takes its place.
    let (sources, refused) = Sources::read_or_accepted(options)?;
    // The cgroup has to be there before anything is pinned for it.
    let root = cgroup_root()?;
    let scope = Cgroup::open(&root, sources.config.scope.as_deref().unwrap_or(&root))?;
    // One process at a time owns the pins, whatever its version.
    let pins = Pins::new(&sources.config.paths.pins);
    let lock = pins.prepare()?;
    let links = Links::new(lifetime(options, &pins)?);
    // Links of this version say that what the maps hold was in force.
    let is_takeover = pins.have_links();
    // The verifier accepts the programs, or nothing changes. Maps that are pinned keep what they hold.
    let kernel = Kernel::load(&pins)?;
    let (held, settings) = (kernel.maps.held()?, kernel.maps.settings()?);
    let mut host = Host {
        root,
        scope,
        pins,
        kernel,
        links,
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
    // From here on it is enforced: each new link takes the place of an old one while that still judges.
    shell.host.attach()?;
    shell.publish_links();
    // Marks DNS sockets, saves what the next start needs, and ends the judgement of other versions.
    shell.feed(Event::Attached);
    shell.check_hooks();
    Ok(shell)
}

/// Reads everything else that the first policy depends on.
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

/// The daemon's cgroup, where programs that are attached to the governed one judge it.
fn judged_cgroup(host: &Host) -> Option<u64> {
    let own = Cgroup::open(&host.root, &own_path().ok()?).ok()?;
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
