//! Truth.
use enforcer::kernel::*;
use enforcer::policy::*;
use enforcer_common::Class;
#[test]
fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let fs = dir.path().join("bpf");
    std::fs::create_dir(&fs).unwrap();
    mount_bpffs(&fs).unwrap();
    let pins = Pins::new(&fs.join("pins"));
    let _lock = pins.prepare().unwrap();
    let start = std::time::Instant::now();
    let mut kernel = Kernel::load(&pins).unwrap();
    println!("load {:?}", start.elapsed());
    let desired = compile(&Inputs {
        default_allow: true,
        protected: vec![Layer {
            class: Class::Storage,
            prefixes: vec![
                "20.38.98.0/24".parse().unwrap(),
                "2603:1030::/32".parse().unwrap(),
            ],
        }],
        allowed: vec!["20.38.98.7".parse().unwrap()],
        ..Default::default()
    })
    .unwrap();
    let start = std::time::Instant::now();
    kernel
        .maps
        .apply(&Held::default(), &desired, true, 1)
        .unwrap();
    println!("apply {:?}", start.elapsed());
    let mut life = Lifetime::Pinned;
    let root = cgroup_root().unwrap();
    let cg = root.join("egress-smoke");
    std::fs::create_dir_all(&cg).unwrap();
    let cgroup = Cgroup::open(&root, &cg).unwrap();
    println!("{:?} {:?}", path_of(&root, cgroup.id), cgroup.level);
    let start = std::time::Instant::now();
    kernel.attach(&cgroup, &mut life).unwrap();
    println!("attach {:?}", start.elapsed());
    kernel.attach(&cgroup, &mut life).unwrap();
    let q = Question::open(&pins).unwrap();
    for d in [
        "20.38.98.1",
        "20.38.98.7",
        "1.1.1.1",
        "10.0.0.1",
        "2603:1030::1",
        "2604::1",
        "::1",
    ] {
        println!("{d} {:?}", q.ask(d.parse().unwrap(), 6, 443).unwrap());
    }
    let start = std::time::Instant::now();
    for _ in 0..100000 {
        let _ = q.ask("20.38.98.1".parse().unwrap(), 6, 443).unwrap();
    }
    println!("100k {:?}", start.elapsed());
    println!("{:?}", kernel.maps.counters().unwrap());
    println!("{:?}", pins.attached());
    println!("{:#?}", probe(&pins));
    pins.remove().unwrap();
    drop(kernel);
    nix::mount::umount(&fs).unwrap();
    std::fs::remove_dir(&cg).unwrap();
}
