//! Commands that need the daemon or loaded programs.

use std::os::unix::net::UnixListener;

use crate::{GOOD, complaint, configured, run};

#[test]
fn explain_fails_where_nothing_is_loaded() {
    let directory = configured(GOOD);
    for line in [
        "explain 20.38.98.100",
        "explain contoso.azurecr.io --json",
        "explain ::1 --unit a.service",
    ] {
        let complaint = complaint(directory.path(), &format!("{line} --config config.toml"), 2);
        assert!(complaint.contains("nothing is loaded"), "{complaint}");
        assert!(complaint.contains("start the daemon"), "{complaint}");
    }
}

#[test]
fn status_and_unload_where_nothing_is_loaded() {
    let directory = configured(GOOD);
    let (code, stdout, _) = run(directory.path(), "status --config config.toml");
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.starts_with("not enforcing: "), "{stdout}");
    let (code, stdout, _) = run(directory.path(), "unload --config config.toml");
    assert_eq!(code, Some(0));
    assert_eq!(stdout, "nothing was enforced; nothing is loaded\n");
    assert!(
        !directory.path().join("pins").exists(),
        "unload makes nothing"
    );
}

#[test]
fn a_running_daemon_is_found_although_its_file_is_invalid() {
    let directory = configured("mode = \"off\"\n");
    let complaint = complaint(directory.path(), "endpoints --config config.toml", 2);
    let socket = directory.path().join("control.sock");
    assert!(
        complaint.contains(&socket.display().to_string()),
        "{complaint}"
    );
}

#[test]
fn events_and_endpoints_need_a_daemon() {
    let directory = configured(GOOD);
    for line in ["events", "events --follow", "endpoints"] {
        let complaint = complaint(directory.path(), &format!("{line} --config config.toml"), 2);
        assert!(complaint.contains("start it"), "{complaint}");
    }
}

#[test]
fn a_broken_connection_to_the_daemon_ends_with_2() {
    let directory = configured(GOOD);
    let listener = UnixListener::bind(directory.path().join("control.sock")).unwrap();
    let served = std::thread::spawn(move || drop(listener.accept().unwrap()));
    complaint(directory.path(), "status --config config.toml", 2);
    served.join().unwrap();
}
