//! Exceptions: which cgroups they cover, what they allow, and when they end.

use std::{fs, net::IpAddr, os::unix::fs::chown};

use anyhow::Result;
use enforcer::{
    policy::{ExceptionInput, Inputs},
    sys::{boot_clock, unit_cgroups},
};
use lab::{
    bpf::loaded_policy,
    topology::{cgroup::Cgroup, packet_counter::PacketCounter},
};

use crate::fixture::{EPERM, Fixture, Probe, await_true, protected};

const MILLISECOND: u64 = 1_000_000;
const NEVER: u64 = u64::MAX;
const USER: u32 = 65_534;

fn exception(cgroup: &Cgroup, deadline: u64) -> Result<ExceptionInput> {
    let cgroup = loaded_policy::open(cgroup)?;
    Ok(ExceptionInput {
        bypasses_devices: false,
        cgroup: cgroup.id,
        level: cgroup.level,
        deadline,
        prefixes: Vec::new(),
        addresses: Vec::new(),
    })
}

fn inputs(exceptions: Vec<ExceptionInput>) -> Inputs {
    Inputs {
        default_allow: true,
        exceptions,
        ..Inputs::default()
    }
}

#[expect(clippy::unwrap_used, reason = "the tests' own literals")]
fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Returns the errors of probes from a process in `cgroup`.
fn errors(
    fixture: &Fixture,
    cgroup: &Cgroup,
    ways: &[(&'static str, &str)],
) -> Result<Vec<Option<i32>>> {
    let probes: Vec<Probe> = ways
        .iter()
        .map(|(method, to)| Probe::plain(method, ip(to)))
        .collect();
    let outcomes = fixture.run(cgroup, &probes)?;
    Ok(outcomes.iter().map(|outcome| outcome.errno).collect())
}

#[test]
fn an_exception_covers_its_cgroup_and_descendants_only() -> Result<()> {
    let mut fixture = Fixture::new()?;
    let unit = fixture.device.child("unit.service")?;
    let below = unit.child("worker")?;
    let deep = below.child("thread")?;
    let sibling = fixture.device.child("other.service")?;
    let allowed = ExceptionInput {
        prefixes: vec!["203.0.113.64/26".parse()?, "2001:db8:b10b:1::/64".parse()?],
        ..exception(&unit, NEVER)?
    };
    fixture.loaded.apply(&protected(), &inputs(vec![allowed]))?;
    fixture.attach()?;

    let inside = [
        ("udp-sendto", "203.0.113.70"),
        ("raw", "203.0.113.71"),
        ("udp-sendto", "2001:db8:b10b:1::70"),
        ("raw", "2001:db8:b10b:1::71"),
        ("udp-sendto", "::ffff:203.0.113.72"),
    ];
    for cgroup in [&unit, &below, &deep] {
        assert_eq!(errors(&fixture, cgroup, &inside)?, [None; 5], "{cgroup:?}");
    }
    for cgroup in [&fixture.device, &sibling] {
        assert_eq!(errors(&fixture, cgroup, &inside)?, [EPERM; 5], "{cgroup:?}");
    }
    let outside = [
        ("udp-sendto", "203.0.113.63"),
        ("udp-sendto", "203.0.113.128"),
        ("raw", "2001:db8:b10b:2::1"),
        ("udp-sendto", "198.51.100.70"),
    ];
    assert_eq!(
        errors(&fixture, &unit, &outside)?,
        [EPERM; 4],
        "outside its prefixes"
    );

    fixture.loaded.apply(&protected(), &inputs(vec![]))?;
    assert_eq!(errors(&fixture, &unit, &inside)?, [EPERM; 5], "withdrawn");
    Ok(())
}

#[test]
fn a_name_of_an_exception_allows_https_only() -> Result<()> {
    let mut fixture = Fixture::new()?;
    let unit = fixture.device.child("unit.service")?;
    let named = ExceptionInput {
        addresses: vec![ip("203.0.113.80"), ip("2001:db8:b10b::80")],
        ..exception(&unit, NEVER)?
    };
    fixture.loaded.apply(&protected(), &inputs(vec![named]))?;
    fixture.attach()?;
    for address in ["203.0.113.80", "2001:db8:b10b::80"] {
        let counter = PacketCounter::watch(&fixture.network)?;
        let ways = [
            "tcp-other-port",
            "udp-sendto",
            "udp-connected",
            "raw",
            "raw-ping",
        ];
        let ways = ways.map(|method| (method, address));
        assert_eq!(errors(&fixture, &unit, &ways)?, [EPERM; 5], "{address}");
        assert_eq!(
            errors(&fixture, &fixture.device, &[("tcp", address)])?,
            [EPERM]
        );
        let host = ipnet::IpNet::from(ip(address)).to_string();
        assert_eq!(counter.packets_to(&[&host])?, 0);
        assert_ne!(errors(&fixture, &unit, &[("tcp", address)])?, [EPERM]);
        await_true("the SYN arrives", || Ok(counter.packets_to(&[&host])? > 0))?;
    }
    Ok(())
}

#[test]
fn the_kernel_ends_an_exception_at_its_deadline() -> Result<()> {
    let mut fixture = Fixture::new()?;
    let prefixes = vec!["203.0.113.90/32".parse()?];
    let until = |fixture: &Fixture, deadline| -> Result<Inputs> {
        Ok(inputs(vec![ExceptionInput {
            prefixes: prefixes.clone(),
            addresses: vec![ip("203.0.113.91")],
            ..exception(&fixture.device, deadline)?
        }]))
    };
    let far = until(&fixture, NEVER)?;
    let before = boot_clock();
    fixture.loaded.apply(&protected(), &far)?;
    // The following steps take about as long again, in nested virtual machines much longer.
    let pause = 300 * MILLISECOND + 10 * (boot_clock() - before);
    fixture.attach()?;
    let to = ip("203.0.113.90");
    let probes = [
        Probe::plain("udp-sendto", to),
        Probe::plain("tcp", ip("203.0.113.91")),
        Probe::plain("until-refused", to),
        Probe::plain("tcp", ip("203.0.113.91")),
        Probe::plain("raw", to),
    ];
    let pending = fixture.start(&fixture.device, &probes)?;
    let deadline = boot_clock() + pause;
    let near = until(&fixture, deadline)?;
    fixture.loaded.apply(&protected(), &near)?;
    let outcomes = pending.go(|| Ok(()))?;
    assert!(boot_clock() >= deadline);
    let errors: Vec<Option<i32>> = outcomes.iter().map(|outcome| outcome.errno).collect();
    assert_eq!(errors[0], None);
    assert_ne!(errors[1], EPERM);
    assert_eq!(errors[2..], [EPERM; 3]);
    Ok(())
}

#[test]
fn a_cgroup_that_a_user_named_after_a_unit_gets_no_exception() -> Result<()> {
    let fixture = Fixture::new()?;
    let root = fixture.device.path().to_owned();
    let own = |cgroup: &Cgroup| chown(cgroup.path(), Some(USER), Some(USER));
    let system = fixture.device.child("system.slice")?;
    let unit = system.child("agent.service")?;
    let users = fixture.device.child("user.slice")?;
    let user = users.child("user-1000.slice")?;
    let session = user.child("user@1000.service")?;
    let delegated = session.child("app.slice")?;
    let below_theirs = delegated.child("agent.service")?;
    let theirs = users.child("agent.service")?;
    let their_slice = fixture.device.child("mine.slice")?;
    let in_their_slice = their_slice.child("agent.service")?;
    let in_a_unit = unit.child("agent.service")?;
    for cgroup in [&session, &delegated, &below_theirs, &theirs, &their_slice] {
        own(cgroup)?;
    }
    let paths: Vec<_> = unit_cgroups(&root, "agent.service")?;
    let paths: Vec<_> = paths.iter().map(|cgroup| cgroup.path.as_path()).collect();
    assert_eq!(
        paths,
        [unit.path()],
        "not {in_their_slice:?}, {in_a_unit:?}"
    );
    fs::metadata(theirs.path())?;
    Ok(())
}
