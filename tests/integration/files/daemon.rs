//! The real binary and what becomes of credentials whose file goes or cannot be read any more.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use regcred_stand_ins::objects::docker_config;
use regcred_stand_ins::registry::{Behaviour, Registry};
use regcred_stand_ins::scrape::Page;
use tempfile::TempDir;

use super::super::exporter::{Exporter, PATIENCE};

/// A file is named after the one user whose password it has.
const USERS: [&str; 5] = ["deleted", "too-large", "a-pipe", "kept", "read"];

fn path(directory: &TempDir, user: &str) -> PathBuf {
    directory.path().join(format!("{user}.json"))
}

fn make_too_large(path: &Path) {
    fs::write(path, vec![b' '; 1024 * 1024 + 1]).unwrap();
}

fn is_valid(page: &Page, path: &Path) -> bool {
    let labels = [("secret_name", &*path.to_string_lossy())];
    page.value("regcred_credential_valid", &labels) == Some(1.0)
}

/// Every series, of any name, that tells of the file.
fn is_told_of(page: &Page, path: &Path) -> bool {
    format!("{page:?}").contains(&*path.to_string_lossy())
}

/// Has whoever is still asked be asked twice more.
async fn two_rounds(registry: &Registry) {
    let before = registry.logins("read");
    let has_come = |registry: &Registry| registry.logins("read") >= before + 2;
    registry.until("two more logins", has_come).await;
}

/// Beside a file that cannot be read now and one that never can be.
#[tokio::test]
async fn what_is_gone_is_asked_no_more_whatever_else_cannot_be_read() {
    let behaviour = USERS.iter().fold(Behaviour::basic(), |all, user| {
        all.user(user, "right-password")
    });
    let registry = Registry::start(behaviour).await;
    let directory = TempDir::new().unwrap();
    let file = |user| path(&directory, user);
    for user in USERS {
        let config = docker_config(&[(registry.host(), user, "right-password")]);
        fs::write(file(user), config).unwrap();
    }
    make_too_large(&file("huge"));
    let named = [directory.path().to_owned(), file("a-pipe")];
    let [all, one] = named.map(|path| format!("--docker-config={}", path.display()));
    let exporter = Exporter::start_with(&[&all, &one, "--probe.interval=1s"]).await;
    let all_work = |page: &Page| USERS.iter().all(|user| is_valid(page, &file(user)));
    exporter.until("five verdicts", PATIENCE, all_work).await;

    fs::remove_file(file("deleted")).unwrap();
    make_too_large(&file("too-large"));
    fs::remove_file(file("a-pipe")).unwrap();
    symlink("/dev/zero", file("a-pipe")).unwrap();
    // Stands for a permission that was taken away, which those who run as root do not lack.
    // By a rename: whoever looks meanwhile must not find it gone.
    let beside = directory.path().join("..beside");
    symlink("x".repeat(300), &beside).unwrap();
    fs::rename(beside, file("kept")).unwrap();
    let gone = ["deleted", "too-large", "a-pipe"];
    let are_gone = |page: &Page| !gone.iter().any(|user| is_told_of(page, &file(user)));
    exporter.until("three to go", PATIENCE, are_gone).await;

    // A login that was under way has come in by then.
    two_rounds(&registry).await;
    let before = gone.map(|user| registry.logins(user));
    let kept = registry.logins("kept");
    two_rounds(&registry).await;
    assert_eq!(gone.map(|user| registry.logins(user)), before);
    registry
        .until("a login with what is kept", |registry| {
            registry.logins("kept") > kept
        })
        .await;
    let page = exporter.page().await;
    assert!(is_valid(&page, &file("kept")) && is_valid(&page, &file("read")));
    let is_up = page.value("regcred_watch_up", &[("resource", "files")]);
    assert_eq!(is_up, Some(0.0), "it is shown that something is not read");
    let log = exporter.log();
    let told = |why: &str| log.contains(why);
    assert!(told("larger than 1 MiB") && told("File name too long") && told("it is no file"));
    assert!(exporter.terminate().await.success());
}
