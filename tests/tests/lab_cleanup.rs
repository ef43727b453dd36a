//! A lab leaves nothing behind on the machine, even if its process is killed.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use lab::{Lab, ScratchDir, fixtures::process::Running};

#[test]
fn a_dropped_lab_leaves_no_process_namespace_cgroup_mount_or_file() -> Result<()> {
    let lab = Lab::start()?;
    let name = lab.name().to_owned();
    let (cloud, device) = (
        lab.network().cloud().inode(),
        lab.network().device().inode(),
    );
    let mut sleep = lab.device().command("sleep");
    sleep.arg("1000");
    let forgotten = Running::start("sleep", sleep)?;
    lab.pull()?;
    assert!(
        holders(cloud)? > 5,
        "six servers and this process use the cloud"
    );
    assert!(holders(device)? > 1);
    assert!(!remains(&name)?.is_empty());

    drop(lab);
    drop(forgotten);
    assert_eq!(remains(&name)?, Vec::<PathBuf>::new());
    // A child that another test has forked keeps descriptors open until it execs.
    await_true("the namespaces are gone", || {
        Ok(holders(cloud)? + holders(device)? == 0)
    })
}

#[test]
fn the_processes_of_a_killed_lab_end_and_the_next_lab_removes_its_remains() -> Result<()> {
    let (mut program, name, pids) = lab_in_a_program()?;
    assert!(pids.len() >= 6, "{pids:?}");
    program.kill()?;
    program.wait()?;
    await_true("the servers are gone", || {
        Ok(!pids.iter().any(|pid| is_running(*pid)))
    })?;
    assert!(!remains(&name)?.is_empty());

    drop(ScratchDir::new()?);
    assert_eq!(remains(&name)?, Vec::<PathBuf>::new());
    Ok(())
}

fn await_true(what: &str, condition: impl Fn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition()? {
        assert!(Instant::now() < deadline, "not within 10 s: {what}");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Starts a lab in a child process; returns the process, the lab's name and its servers' ids.
fn lab_in_a_program() -> Result<(Child, String, Vec<u32>)> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_egress-lab"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start egress-lab")?;
    let output = program.stdout.take().context("read egress-lab")?;
    let mut name = None;
    for line in BufReader::new(output).lines() {
        let line = line?;
        name = name.or_else(|| line.strip_prefix("name").map(|name| name.trim().to_owned()));
        if line.starts_with("ready") {
            break;
        }
    }
    let children = children_of(program.id())?;
    Ok((program, name.context("egress-lab did not start")?, children))
}

/// Returns the children of all threads of a process.
fn children_of(pid: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let list = fs::read_to_string(thread?.path().join("children"))?;
        children.extend(
            list.split_whitespace()
                .filter_map(|child| child.parse::<u32>().ok()),
        );
    }
    Ok(children)
}

/// Whether a process runs; a zombie does not.
fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// Returns the directories, mounts and cgroups with a lab's name.
fn remains(name: &str) -> Result<Vec<PathBuf>> {
    let mut remains: Vec<PathBuf> = Vec::new();
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        let point = PathBuf::from(line.split(' ').nth(4).context("a mount point")?);
        if line.contains(" - cgroup2 ") && point.join(name).exists() {
            remains.push(point.join(name));
        }
        if point.iter().any(|part| part == name) {
            remains.push(point);
        }
    }
    let dir = std::env::temp_dir().join(name);
    if dir.exists() {
        remains.push(dir);
    }
    Ok(remains)
}

/// Returns the number of processes in a network namespace or with a descriptor of it.
fn holders(inode: u64) -> Result<usize> {
    let wanted = PathBuf::from(format!("net:[{inode}]"));
    let is_wanted = |link: &Path| fs::read_link(link).is_ok_and(|target| target == wanted);
    let mut count = 0;
    for process in fs::read_dir("/proc")? {
        let process = process?.path();
        let open = fs::read_dir(process.join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        let mut links = open.map(|fd| fd.path()).chain([process.join("ns/net")]);
        count += usize::from(links.any(|link| is_wanted(&link)));
    }
    Ok(count)
}
