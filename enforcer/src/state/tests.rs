use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::file::make_fifo;

fn sample() -> State {
    let seen = Seen {
        first_seen: "2026-10-01T08:00:00Z".parse().unwrap(),
        last_seen: "2026-10-01T09:30:00Z".parse().unwrap(),
    };
    let addresses = ["20.45.122.144", "2603:1030::1"]
        .map(|text| (text.parse().unwrap(), seen.clone()))
        .into();
    State::new([("contoso.azurecr.io".parse().unwrap(), addresses)].into())
}

fn unusable(path: &Path) -> (Unusable, String) {
    let error = load(path).unwrap_err();
    let text = error.to_string();
    match error {
        StateError::Unusable { reason, .. } => (reason, text),
        StateError::NotSaved { .. } => panic!("{text}"),
    }
}

#[test]
fn a_saved_state_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    save(&path, &State::new(BTreeMap::new())).unwrap();
    save(&path, &sample()).unwrap();
    assert_eq!(load(&path).unwrap(), Some(sample()));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn the_documented_format_is_read() {
    let text = r#"{"version":1,"names":{"contoso.azurecr.io":{"20.45.122.144":
        {"first-seen":"2026-10-01T08:00:00Z","last-seen":"2026-10-01T09:30:00Z"}}}}"#;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    fs::write(&path, text).unwrap();
    let state = load(&path).unwrap().unwrap();
    assert_eq!(state.names.len(), 1);
}

#[test]
fn a_missing_file_is_not_an_error() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(load(&directory.path().join("state.json")).unwrap(), None);
}

#[test]
fn an_unusable_file_is_reported_and_moved_aside() {
    type Case = (&'static str, fn(&Unusable) -> bool);
    let cases: [Case; 4] = [
        ("", |r| matches!(r, Unusable::Corrupt(_))),
        (r#"{"version":1,"names":{"#, |r| {
            matches!(r, Unusable::Corrupt(_))
        }),
        (r#"{"version":1,"names":{"*.azurecr.io":{}}}"#, |r| {
            matches!(r, Unusable::Corrupt(_))
        }),
        ("[1]", |r| matches!(r, Unusable::Corrupt(_))),
    ];
    for (text, is_expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        fs::write(&path, text).unwrap();
        let (reason, message) = unusable(&path);
        assert!(is_expected(&reason), "{text}: {reason}");
        assert!(message.contains("state.json"), "{message}");
        assert!(message.contains("goes on without"), "{message}");
        let moved = directory.path().join("state.json.corrupt");
        assert_eq!(fs::read_to_string(moved).unwrap(), text);
        assert_eq!(load(&path).unwrap(), None);
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let text = r#"{"version":1,"more":[1],"names":{"contoso.azurecr.io":{"20.45.122.144":{"first-seen":
        "2026-10-01T08:00:00Z","last-seen":"2026-10-01T09:30:00Z","asked-of":"10.0.0.1"}}}}"#;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    fs::write(&path, text).unwrap();
    let state = load(&path).unwrap().unwrap();
    let names: Vec<_> = state.names.values().map(BTreeMap::len).collect();
    assert_eq!(names, [1]);
}

#[test]
fn a_file_of_another_version_is_moved_aside_and_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let text = r#"{"version":2,"hosts":[]}"#;
    fs::write(&path, text).unwrap();
    let (reason, message) = unusable(&path);
    assert!(matches!(reason, Unusable::OtherVersion(2)), "{reason}");
    assert!(message.contains("has version 2, this daemon reads version 1"));
    assert!(message.contains("state.json.v2"), "{message}");
    save(&path, &sample()).unwrap();
    fs::write(&path, "damaged").unwrap();
    assert!(matches!(unusable(&path).0, Unusable::Corrupt(_)));
    let moved = directory.path().join("state.json.v2");
    assert_eq!(fs::read_to_string(moved).unwrap(), text);
}

#[test]
fn a_file_over_the_limit_is_moved_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let file = File::create(&path).unwrap();
    file.set_len(MAX_SIZE + 1).unwrap();
    assert!(matches!(unusable(&path).0, Unusable::TooLarge));
    assert!(directory.path().join("state.json.corrupt").exists());
}

#[test]
fn a_special_file_is_unreadable_and_moved_aside() {
    let occupy: [fn(&Path); 2] = [|path| fs::create_dir(path).unwrap(), make_fifo];
    for occupy in occupy {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        occupy(&path);
        let (reason, message) = unusable(&path);
        assert!(matches!(reason, Unusable::Unreadable(_)));
        assert!(message.contains("is not a regular file"), "{message}");
        assert!(directory.path().join("state.json.corrupt").exists());
        save(&path, &sample()).unwrap();
        assert_eq!(load(&path).unwrap(), Some(sample()));
    }
}

#[test]
fn a_failed_write_leaves_the_old_file_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    save(&path, &sample()).unwrap();
    let error = save_with(&path, |file| {
        file.write_all(b"{\"version\":1,")?;
        Err(io::ErrorKind::StorageFull.into())
    })
    .unwrap_err();
    assert!(error.to_string().contains("the old file stays"), "{error}");
    assert_eq!(load(&path).unwrap(), Some(sample()));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_directory_is_created_for_its_owner_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new").join("state.json");
    save(&path, &sample()).unwrap();
    assert_eq!(load(&path).unwrap(), Some(sample()));
    let mode = fs::metadata(path.parent().unwrap())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o700);
}

#[test]
fn a_directory_that_cannot_be_created_is_an_error_with_the_file() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("gone"), "a file").unwrap();
    let path = directory.path().join("gone").join("state.json");
    let error = save(&path, &sample()).unwrap_err().to_string();
    assert!(error.contains("gone/state.json"), "{error}");
}

#[test]
fn the_temporary_file_of_an_interrupted_save_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.json");
    let leftover = directory.path().join("state.json.new");
    fs::write(&leftover, "half").unwrap();
    fs::set_permissions(&leftover, fs::Permissions::from_mode(0o644)).unwrap();
    save(&path, &sample()).unwrap();
    assert_eq!(load(&path).unwrap(), Some(sample()));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
}
