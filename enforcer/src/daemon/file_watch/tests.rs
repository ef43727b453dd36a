use std::os::unix::fs::symlink;

use tokio::time::timeout;

use super::*;
use crate::sources::Sources;

/// Watches files as they are now.
fn watch(files: &[&PathBuf]) -> FileWatch {
    let seen = files.iter().map(|file| ((*file).clone(), Stamp::of(file)));
    FileWatch::new(seen.collect()).unwrap()
}

/// Makes a change and says which files are told, which may take a while on a busy machine.
async fn told(watch: &mut FileWatch, change: impl FnOnce()) -> Vec<PathBuf> {
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
async fn a_file_is_told_however_it_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (file, other) = (at("contoso.json"), at("other.json"));
    fs::write(&file, "1").unwrap();
    let mut watch = watch(&[&file, &other]);
    assert!(watch.take().is_empty());
    assert_eq!(
        told(&mut watch, || fs::write(&file, "22").unwrap()).await,
        [&*file]
    );
    let renamed = || {
        fs::write(at("new"), "333").unwrap();
        fs::rename(at("new"), &file).unwrap();
    };
    assert_eq!(told(&mut watch, renamed).await, [&*file]);
    assert_eq!(
        told(&mut watch, || fs::remove_file(&file).unwrap()).await,
        [&*file]
    );
    assert_eq!(
        told(&mut watch, || fs::write(&other, "4").unwrap()).await,
        [&*other]
    );
}

/// Kubernetes keeps each version in a directory of its own, and moves one link.
#[tokio::test]
async fn a_file_behind_a_link_that_moves_is_told() {
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
    assert_eq!(told(&mut watch, moved).await, [&*file]);
    let in_place = || fs::write(at("..2/contoso.json"), "more").unwrap();
    assert_eq!(told(&mut watch, in_place).await, [&*file]);
}

/// Anybody may read a directory that is not secret, as often as they like.
#[tokio::test]
async fn many_that_read_tell_nothing_and_hold_nothing_up() {
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
    assert_eq!(told(&mut watch, written).await, [&*file]);
}

#[tokio::test]
async fn a_file_that_changes_between_reading_and_watching_is_told() {
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
    let mut watch = FileWatch::new(sources.given.stamps().clone()).unwrap();
    assert_eq!(watch.take(), [&*file]);
    assert!(watch.take().is_empty());
}

#[tokio::test]
async fn directories_that_are_left_are_watched_no_longer_and_one_made_anew_is() {
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
    assert_eq!(told(&mut watch, moved).await, [&*file]);
    while !watch.directories.waiting().is_empty() {}
    fs::write(at("1/contoso.json"), "more").unwrap();
    assert!(watch.directories.waiting().is_empty());
    let made_anew = || {
        fs::remove_dir_all(at("2")).unwrap();
        fs::create_dir(at("2")).unwrap();
    };
    assert_eq!(told(&mut watch, made_anew).await, [&*file]);
    let written = || fs::write(at("2/contoso.json"), "3").unwrap();
    assert_eq!(told(&mut watch, written).await, [&*file]);
}

#[tokio::test(start_paused = true)]
async fn a_file_whose_directory_is_made_later_is_found_in_time() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("later/contoso.json");
    let mut watch = watch(&[&file]);
    fs::create_dir(directory.path().join("later")).unwrap();
    fs::write(&file, "1").unwrap();
    let start = Instant::now();
    watch.changed().await.unwrap();
    assert_eq!(watch.take(), [&*file]);
    assert!(start.elapsed() >= LOOK);
}
