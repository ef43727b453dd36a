use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

#[test]
fn only_the_cgroups_of_prove_are_proofs() {
    let infos = CgroupInfos::new("/cgroup".into(), Path::new("/cgroup/plant.slice"));
    let is_proof = |path: &str| infos.proof(Path::new(path)).is_some();
    assert!(is_proof("/plant.slice/egress-enforcer-prove"));
    assert!(is_proof(
        "/system.slice/egress-enforcer-prove.service/egress-enforcer-prove"
    ));
    for path in [
        "/egress-enforcer-prove",
        "/plant.slice/a.service/egress-enforcer-prove",
        "/plant.slice/egress-enforcer-prove/sub",
    ] {
        assert!(!is_proof(path), "{path}");
    }
}

#[test]
fn control_characters_of_a_found_cgroup_are_escaped() {
    let tree = tempfile::tempdir().unwrap();
    let cgroup = tree.path().join("a\u{1b}[1m.service");
    std::fs::create_dir(&cgroup).unwrap();
    let id = std::os::unix::fs::MetadataExt::ino(&cgroup.metadata().unwrap());
    let mut infos = CgroupInfos::new(tree.path().to_owned(), tree.path());
    let unit = infos.find(id).unwrap().unit.clone().unwrap();
    assert!(
        unit.ends_with(".service") && !unit.contains('\u{1b}'),
        "{unit:?}"
    );
}

#[test]
fn the_unit_is_that_of_the_system_manager() {
    for (path, expected) in [
        ("/system.slice/foo.service", Some("foo.service")),
        ("/system.slice/foo.service/sub", Some("foo.service")),
        (
            "/system.slice/foo.service/evil.service",
            Some("foo.service"),
        ),
        (
            "/plant.slice/plant-line.slice/plc@1.service",
            Some("plc@1.service"),
        ),
        (
            "/user.slice/user-1000.slice/session-3.scope",
            Some("session-3.scope"),
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-x.scope",
            Some("user@1000.service"),
        ),
        ("/init.scope", Some("init.scope")),
        (
            "/system.slice/dev-sda\\x2d1.swap",
            Some("dev-sda\\x2d1.swap"),
        ),
        ("/system.slice/docker.socket", Some("docker.socket")),
        ("/docker/abc/system.slice/foo.service", None),
        ("/lab/system.slice/foo.service", None),
        ("/system.slice", None),
        ("/.service", None),
        ("/", None),
    ] {
        assert_eq!(unit_of(Path::new(path)).as_deref(), expected, "{path}");
    }
}

#[test]
fn a_container_is_found_under_every_runtime() {
    for path in [
        "/system.slice/docker-ID.scope",
        "/system.slice/docker-ID.scope/init.scope",
        "/docker/ID",
        "/machine.slice/libpod-ID.scope/container",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-ID.scope",
        "/kubepods.slice/kubepods-pod1_2.slice/crio-ID.scope",
        "/kubepods/burstable/pod1-2/ID",
        "/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:ID",
        "/docker/ID/docker/OTHER",
    ] {
        let path = path.replace("ID", ID).replace("OTHER", OTHER);
        let found = container_of(Path::new(&path));
        assert_eq!(found.as_deref(), Some(ID), "{path}");
    }
}

#[test]
fn other_names_are_not_containers() {
    for path in [
        "/system.slice/foo.service",
        "/machine.slice/libpod-conmon-ID.scope",
        "/kubepods.slice/kubepods-pod1.slice",
        "/docker/xID",
        "/docker/IDx",
        "/docker/0123456789ab",
        "/docker/ünit-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd",
        "/",
    ] {
        let path = path.replace("ID", ID);
        assert_eq!(container_of(Path::new(&path)), None, "{path}");
    }
}

#[test]
fn the_least_recently_used_cgroup_is_evicted_first() {
    let mut cgroups = CgroupInfos::new("/nowhere".into(), Path::new("/nowhere"));
    let most = u64::try_from(MAX_CACHED).unwrap();
    for id in 0..most {
        cgroups.cache(id, CgroupInfo::at(Path::new("/a")));
    }
    assert!(cgroups.find(0).is_some(), "0 is the most recent one");
    cgroups.cache(most, CgroupInfo::at(Path::new("/b")));
    assert_eq!(cgroups.known.len(), MAX_CACHED);
    assert!(cgroups.find(0).is_some());
    assert!(cgroups.find(1).is_none(), "1 was the oldest");
    assert_eq!(cgroups.find(most).unwrap().path, Path::new("/b"));
}

#[test]
fn scans_for_removed_cgroups_are_rate_limited() {
    let now = Instant::now();
    let mut scans = Scans {
        left: MAX_SCANS,
        since: now,
    };
    let granted = |scans: &mut Scans, now| (0..1000).filter(|_| scans.take(now)).count();
    assert_eq!(granted(&mut scans, now), MAX_SCANS as usize);
    assert_eq!(granted(&mut scans, now + SCAN_INTERVAL * 3), 3);
    let later = now + SCAN_INTERVAL * 1000;
    assert_eq!(granted(&mut scans, later), MAX_SCANS as usize);
}
