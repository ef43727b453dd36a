use std::os::unix::fs::symlink;

use tokio::time::timeout;

use super::*;
use crate::sources::Sources;

/// Watches files from their current state.
fn watch(files: &[&PathBuf]) -> FileWatch {
    let seen = files
        .iter()
        .map(|file| ((*file).clone(), FileStat::of(file)));
    FileWatch::new(seen.collect()).unwrap()
}

/// Makes a change and waits for the files that are reported as changed, which may take long on a busy machine.
async fn changed_by(watch: &mut FileWatch, change: impl FnOnce()) -> Vec<PathBuf> {
    change();
    loop {
        let long = Duration::from_secs(20);
        timeout(long, watch.changed())
            .await
            .expect("it is told")
            .unwrap();
        let changed = watch.take();
        if !changed.is_empty() {
            return changed;
        }
    }
}

#[tokio::test]
async fn a_replaced_file_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (file, other) = (at("contoso.json"), at("other.json"));
    fs::write(&file, "1").unwrap();
    let mut watch = watch(&[&file, &other]);
    assert!(watch.take().is_empty());
    assert_eq!(
        changed_by(&mut watch, || fs::write(&file, "22").unwrap()).await,
        [&*file]
    );
    let renamed = || {
        fs::write(at("new"), "333").unwrap();
        fs::rename(at("new"), &file).unwrap();
    };
    assert_eq!(changed_by(&mut watch, renamed).await, [&*file]);
    assert_eq!(
        changed_by(&mut watch, || fs::remove_file(&file).unwrap()).await,
        [&*file]
    );
    assert_eq!(
        changed_by(&mut watch, || fs::write(&other, "4").unwrap()).await,
        [&*other]
    );
}

/// Kubernetes stores each version in its own directory and moves one link.
#[tokio::test]
async fn a_file_behind_a_moved_link_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for version in ["..1", "..2"] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("contoso.json"), version).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/contoso.json", at("contoso.json")).unwrap();
    let file = at("contoso.json");
    let mut watch = watch(&[&file]);
    let moved = || {
        symlink("..2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
    };
    assert_eq!(changed_by(&mut watch, moved).await, [&*file]);
    let in_place = || fs::write(at("..2/contoso.json"), "more").unwrap();
    assert_eq!(changed_by(&mut watch, in_place).await, [&*file]);
}

/// Unprivileged processes may read a public directory at any rate.
#[tokio::test]
async fn reads_are_not_reported_and_delay_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("contoso.json");
    fs::write(&file, "1").unwrap();
    let mut watch = watch(&[&file]);
    for _ in 0..10_000 {
        fs::read(&file).unwrap();
        fs::read_dir(directory.path()).unwrap().count();
    }
    assert!(watch.directories.waiting().is_empty());
    let written = || fs::write(&file, "22").unwrap();
    assert_eq!(changed_by(&mut watch, written).await, [&*file]);
}

#[tokio::test]
async fn a_change_between_reading_and_watching_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("contoso.json");
    let names = |region: &str| {
        format!(
            r#"{{"loginServer": "contoso.azurecr.io", "dataEndpoints": [{{"region": "{region}", "endpoint": "contoso.{region}.data.azurecr.io"}}]}}"#
        )
    };
    fs::write(&file, names("westeurope")).unwrap();
    let sources = Sources::of_text(&format!(
        "[[registry]]\nlogin-server = \"contoso.azurecr.io\"\nendpoints-file = {file:?}\n"
    ));
    fs::write(&file, names("northeurope")).unwrap();
    let mut watch = FileWatch::new(sources.given.file_stats().clone()).unwrap();
    assert_eq!(watch.take(), [&*file]);
    assert!(watch.take().is_empty());
}

#[tokio::test]
async fn unused_directories_are_not_watched_and_a_recreated_one_is() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for version in ["1", "2"] {
        fs::create_dir(at(version)).unwrap();
        fs::write(at(version).join("contoso.json"), version).unwrap();
    }
    symlink("1/contoso.json", at("contoso.json")).unwrap();
    let file = at("contoso.json");
    let mut watch = watch(&[&file]);
    let moved = || {
        symlink("2/contoso.json", at("new")).unwrap();
        fs::rename(at("new"), &file).unwrap();
    };
    assert_eq!(changed_by(&mut watch, moved).await, [&*file]);
    while !watch.directories.waiting().is_empty() {}
    fs::write(at("1/contoso.json"), "more").unwrap();
    assert!(watch.directories.waiting().is_empty());
    let recreated = || {
        fs::remove_dir_all(at("2")).unwrap();
        fs::create_dir(at("2")).unwrap();
    };
    assert_eq!(changed_by(&mut watch, recreated).await, [&*file]);
    let written = || fs::write(at("2/contoso.json"), "3").unwrap();
    assert_eq!(changed_by(&mut watch, written).await, [&*file]);
}

#[tokio::test(start_paused = true)]
async fn a_file_in_a_directory_created_later_is_found_at_the_fallback_check() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("later/contoso.json");
    let mut watch = watch(&[&file]);
    fs::create_dir(directory.path().join("later")).unwrap();
    fs::write(&file, "1").unwrap();
    let start = Instant::now();
    watch.changed().await.unwrap();
    assert_eq!(watch.take(), [&*file]);
    assert!(start.elapsed() >= CHECK_INTERVAL);
}
