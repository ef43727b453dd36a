//! Devices and filters as the kernel lists and reports them.

use std::time::Duration;

use anyhow::{Context, Result};
use enforcer::sys::{
    Device, DeviceWatch, Filter, IngressQdisc, TcHook, devices, filters, ingress_qdiscs,
};
use lab::topology::netns::Netns;
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};

use crate::scene::{tc, tc_with};

/// A program that returns 0 for each packet.
pub(crate) const BYTECODE: &str = "1,6 0 0 0,";
/// Longer than a notification takes.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time in which a notification would arrive.
const QUIET: Duration = Duration::from_millis(200);

fn named(netns: &Netns, name: &str) -> Result<Device> {
    let devices = netns.run(|| Ok(devices()?))?;
    let found = devices.into_iter().find(|device| device.name == name);
    found.with_context(|| format!("no device {name}"))
}

#[test]
fn devices_are_listed_with_kind_master_and_namespace_of_the_peer() -> Result<()> {
    let (netns, other) = (Netns::new()?, Netns::new()?);
    netns.ip(&format!(
        "link add bridge0 type bridge\n\
         link add veth0 type veth peer name peer0 netns {}\n\
         link add veth1 type veth peer name peer1\n\
         link set veth0 master bridge0\n\
         tuntap add tun0 mode tun\n",
        other.path().display()
    ))?;
    let bridge = named(&netns, "bridge0")?;
    assert_eq!(bridge.kind.as_deref(), Some("bridge"));
    let veth = named(&netns, "veth0")?;
    assert_eq!(veth.kind.as_deref(), Some("veth"));
    assert_eq!(veth.link_type, libc::ARPHRD_ETHER);
    assert_eq!(veth.master, Some(bridge.index));
    assert!(veth.link_namespace.is_some());
    assert_eq!(named(&netns, "veth1")?.link_namespace, None);
    assert_eq!(named(&netns, "tun0")?.link_type, libc::ARPHRD_NONE);
    assert!(named(&netns, "lo")?.is_loopback);
    assert!(named(&other, "peer0").is_ok() && named(&netns, "peer0").is_err());
    Ok(())
}

#[test]
fn filters_are_listed_in_the_order_in_which_they_run() -> Result<()> {
    let netns = Netns::new()?;
    netns.ip("link add veth0 type veth peer name veth1\n")?;
    let index = named(&netns, "veth0")?.index;
    let listed = |hook| netns.run(|| Ok(filters(index, hook)?));
    assert_eq!(listed(TcHook::Egress)?, []);
    tc(&netns, "qdisc add dev veth0 clsact")?;
    let bpf = |handle: u32| {
        let place = format!("dev veth0 egress protocol all pref 2 handle {handle}");
        let arguments = format!("filter add {place} bpf da bytecode");
        tc_with(&netns, arguments.split(' ').chain([BYTECODE]))
    };
    bpf(1)?;
    bpf(2)?;
    tc(
        &netns,
        "filter add dev veth0 egress protocol ip pref 7 u32 match u32 0 0",
    )?;
    tc(
        &netns,
        "filter add dev veth0 egress protocol all pref 1 chain 5 u32 match u32 0 0",
    )?;
    tc(
        &netns,
        "filter add dev veth0 ingress protocol all pref 9 u32 match u32 0 0",
    )?;
    let place = |filter: &Filter| (filter.priority, filter.handle, filter.kind.clone());
    let egress = listed(TcHook::Egress)?;
    let places: Vec<_> = egress.iter().take(2).map(place).collect();
    let bpf = |handle| (2, handle, "bpf".to_owned());
    assert_eq!(places, [bpf(2), bpf(1)]);
    let others = &egress[2..];
    assert!(!others.is_empty());
    assert!(
        others
            .iter()
            .all(|filter| filter.kind == "u32" && filter.priority == 7 && filter.protocol == 0x800)
    );
    let program = egress[0].bpf.as_ref().context("no program")?;
    assert!(program.is_direct_action && program.program.is_none());
    assert_eq!(egress[0].protocol, 3);
    let ingress = listed(TcHook::Ingress)?;
    assert!(
        ingress
            .iter()
            .all(|filter| filter.kind == "u32" && filter.priority == 9)
    );
    assert!(!ingress.is_empty());
    Ok(())
}

#[test]
fn the_discipline_that_runs_filters_is_listed() -> Result<()> {
    let netns = Netns::new()?;
    netns.ip("link add veth0 type veth peer name veth1\nlink add bridge0 type bridge\n")?;
    tc(&netns, "qdisc add dev veth0 clsact")?;
    tc(&netns, "qdisc add dev veth1 ingress")?;
    tc(&netns, "qdisc add dev bridge0 root pfifo")?;
    let found = netns.run(|| Ok(ingress_qdiscs()?))?;
    let of = |name| Ok::<_, anyhow::Error>(found.get(&named(&netns, name)?.index));
    assert_eq!(of("veth0")?, Some(&IngressQdisc::Clsact));
    let other = IngressQdisc::Other("ingress".to_owned());
    assert_eq!(of("veth1")?, Some(&other));
    assert_eq!(of("bridge0")?, None);
    Ok(())
}

/// Watches the devices of `netns`.
fn watch(netns: &Netns) -> Result<(Runtime, DeviceWatch)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let watch = netns.run(|| {
        let _entered = runtime.enter();
        Ok(DeviceWatch::new()?)
    })?;
    Ok((runtime, watch))
}

#[test]
fn changes_of_devices_and_filters_are_reported() -> Result<()> {
    let netns = Netns::new()?;
    let (runtime, watch) = watch(&netns)?;
    let changed = |limit| runtime.block_on(async { timeout(limit, watch.changed()).await });
    let changes: [&dyn Fn() -> Result<()>; 4] = [
        &|| netns.ip("link add veth0 type veth peer name veth1\n"),
        &|| tc(&netns, "qdisc add dev veth0 clsact"),
        &|| {
            tc(
                &netns,
                "filter add dev veth0 egress protocol all u32 match u32 0 0",
            )
        },
        &|| tc(&netns, "filter del dev veth0 egress"),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        change()?;
        changed(PATIENCE).with_context(|| format!("change {number} is not reported"))??;
        while changed(QUIET).is_ok() {}
    }
    Ok(())
}

#[test]
fn a_burst_of_changes_that_overflows_the_socket_is_reported() -> Result<()> {
    let netns = Netns::new()?;
    let (runtime, watch) = watch(&netns)?;
    let lines: String = (0..400)
        .map(|number| format!("link add bridge{number} type bridge\n"))
        .collect();
    netns.ip(&lines)?;
    let changed = runtime.block_on(async { timeout(PATIENCE, watch.changed()).await });
    changed.context("not reported")??;
    let listed = netns.run(|| Ok(devices()?))?;
    assert_eq!(listed.len(), 401);
    Ok(())
}
