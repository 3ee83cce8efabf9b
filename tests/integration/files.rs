//! Docker config files as the changes of a cluster.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use regcred_exporter::domain::cluster::{Change, SecretSeen};
use regcred_exporter::domain::docker_config::{self, SecretKind};
use regcred_exporter::files::{self, Files, Pass};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const CONFIG: &str = r#"{"auths":{"ghcr.io":{"auth":"dTpwYXNz"}}}"#;

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = TempDir::new().unwrap();
    for (name, content) in files {
        fs::write(directory.path().join(name), content).unwrap();
    }
    directory
}

fn read(path: &Path) -> Pass {
    files::read_all(&[path.to_owned()])
}

fn secrets(pass: &Pass) -> Vec<&SecretSeen> {
    pass.changes
        .iter()
        .filter_map(|change| match change {
            Change::SecretApplied(_, secret) => Some(secret),
            _ => None,
        })
        .collect()
}

fn names(pass: &Pass) -> Vec<String> {
    secrets(pass)
        .iter()
        .map(|secret| {
            let path = PathBuf::from(&secret.object.name);
            path.file_name().unwrap().to_string_lossy().into_owned()
        })
        .collect()
}

fn is_whole(pass: &Pass) -> bool {
    matches!(pass.changes.first(), Some(Change::ListStarted(_)))
        && matches!(pass.changes.last(), Some(Change::ListFinished(_)))
}

fn told(pass: &Pass) -> Vec<String> {
    pass.unreadable
        .iter()
        .map(|unreadable| {
            let why = std::error::Error::source(unreadable).unwrap();
            format!("{unreadable}: {why}")
        })
        .collect()
}

#[test]
fn a_file_is_a_secret_whose_name_is_its_path() {
    let directory = directory(&[("config.json", CONFIG)]);
    let path = directory.path().join("config.json");
    let pass = read(&path);
    assert!(is_whole(&pass) && pass.unreadable.is_empty());
    let [secret] = secrets(&pass)[..] else {
        panic!("{pass:?}");
    };
    assert_eq!(secret.object.namespace, "");
    assert_eq!(secret.object.name, path.to_string_lossy());
    assert_eq!(secret.kind, SecretKind::DockerConfigJson);
    assert!(secret.changed.is_some());
    let parsed = docker_config::parse(SecretKind::DockerConfigJson, Some(CONFIG.as_bytes()));
    assert_eq!(secret.docker_config, parsed);
    assert!(!format!("{pass:?}").contains("dTpwYXNz"));
}

#[test]
fn uids_are_stable_and_distinct() {
    let directory = directory(&[("a.json", CONFIG), ("b.json", CONFIG)]);
    let uids = || -> Vec<_> {
        let pass = read(directory.path());
        secrets(&pass).iter().map(|secret| secret.uid).collect()
    };
    let first = uids();
    assert_eq!(first, uids());
    assert_ne!(first[0], first[1]);
}

#[test]
fn a_directory_gives_its_docker_configs_only() {
    let directory = directory(&[
        ("config.json", CONFIG),
        ("team-a.json", CONFIG),
        (".dockerconfigjson", CONFIG),
        (".dockercfg", "{}"),
        (".hidden.json", CONFIG),
        ("notes.txt", CONFIG),
        ("ca.pem", ""),
    ]);
    fs::create_dir(directory.path().join("nested.json")).unwrap();
    symlink("nowhere", directory.path().join("dangling.json")).unwrap();
    let pass = read(directory.path());
    assert_eq!(
        names(&pass),
        [
            ".dockercfg",
            ".dockerconfigjson",
            "config.json",
            "team-a.json"
        ]
    );
    assert!(is_whole(&pass) && pass.unreadable.is_empty());
}

/// A Secret as the kubelet mounts it: each key is a link into `..data`, a link to a dated directory.
fn mount() -> TempDir {
    let mount = TempDir::new().unwrap();
    let dated = mount.path().join("..2026_01_01_00_00_00.1");
    fs::create_dir(&dated).unwrap();
    fs::write(dated.join(".dockerconfigjson"), CONFIG).unwrap();
    symlink("..2026_01_01_00_00_00.1", mount.path().join("..data")).unwrap();
    symlink(
        "..data/.dockerconfigjson",
        mount.path().join(".dockerconfigjson"),
    )
    .unwrap();
    mount
}

#[test]
fn a_mounted_secret_is_read_once() {
    let mount = mount();
    let pass = read(mount.path());
    assert_eq!(names(&pass), [".dockerconfigjson"]);
}

#[test]
fn the_legacy_shape_is_told_by_name_and_content() {
    for (name, content, kind) in [
        (".dockercfg", r#"{"ghcr.io":{}}"#, SecretKind::DockerCfg),
        (".dockercfg", CONFIG, SecretKind::DockerConfigJson),
        (".dockercfg", "no json", SecretKind::DockerCfg),
        (
            "config.json",
            r#"{"ghcr.io":{}}"#,
            SecretKind::DockerConfigJson,
        ),
        ("config.json", "no json", SecretKind::DockerConfigJson),
    ] {
        let directory = directory(&[(name, content)]);
        let pass = read(directory.path());
        assert_eq!(secrets(&pass)[0].kind, kind, "{name} {content}");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_loses_nothing_else() {
    let directory = directory(&[("good.json", CONFIG)]);
    let large = directory.path().join("large.json");
    fs::write(&large, vec![b' '; 1024 * 1024 + 1]).unwrap();
    let missing = directory.path().join("missing");
    let empty = TempDir::new().unwrap();
    let pass = files::read_all(&[
        missing.clone(),
        directory.path().to_owned(),
        empty.path().to_owned(),
    ]);
    assert_eq!(names(&pass), ["good.json"]);
    assert!(
        !is_whole(&pass),
        "a list that lacks a file must not sweep it"
    );
    let told = told(&pass);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains(&*missing.to_string_lossy()) && told[0].contains("No such file"));
    assert!(
        told[1].contains(&*empty.path().to_string_lossy()) && told[1].contains("has no `*.json`")
    );
    assert!(told[2].contains("large.json") && told[2].contains("1 MiB"));
}

#[test]
fn a_file_that_is_gone_is_swept_and_told() {
    let directory = directory(&[("one.json", CONFIG)]);
    let named = directory.path().join("one.json");
    for path in [named.clone(), directory.path().to_owned()] {
        fs::write(&named, CONFIG).unwrap();
        assert!(is_whole(&read(&path)));
        fs::remove_file(&named).unwrap();
        let pass = read(&path);
        assert!(is_whole(&pass), "{} is not there", path.display());
        assert_eq!((names(&pass).len(), told(&pass).len()), (0, 1));
    }
}

#[test]
fn the_largest_file_is_read() {
    let directory = directory(&[]);
    let mut content = CONFIG.as_bytes().to_vec();
    content.resize(1024 * 1024, b'\n');
    fs::write(directory.path().join("config.json"), content).unwrap();
    assert_eq!(names(&read(directory.path())), ["config.json"]);
}

#[test]
fn a_path_named_twice_is_read_once() {
    let directory = directory(&[("config.json", CONFIG)]);
    let file = directory.path().join("config.json");
    let pass = files::read_all(&[directory.path().to_owned(), file]);
    assert_eq!(names(&pass), ["config.json"]);
}

#[test]
fn a_poll_reads_only_what_has_changed() {
    let mount = mount();
    let mut files = Files::new(vec![mount.path().to_owned()]);
    assert!(files.poll().is_some());
    assert!(files.poll().is_none());

    // As the kubelet updates: another dated directory, and `..data` renamed onto it.
    let dated = mount.path().join("..2026_01_02_00_00_00.2");
    fs::create_dir(&dated).unwrap();
    fs::write(dated.join(".dockerconfigjson"), CONFIG).unwrap();
    symlink("..2026_01_02_00_00_00.2", mount.path().join("..data_tmp")).unwrap();
    fs::rename(mount.path().join("..data_tmp"), mount.path().join("..data")).unwrap();
    assert!(files.poll().is_some());
    assert!(files.poll().is_none());

    fs::write(mount.path().join("config.json"), CONFIG).unwrap();
    assert_eq!(names(&files.poll().unwrap()).len(), 2);
    fs::remove_file(mount.path().join("config.json")).unwrap();
    assert_eq!(names(&files.poll().unwrap()).len(), 1);
}

#[test]
fn a_directory_that_comes_later_is_read_then() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("later");
    let mut files = Files::new(vec![path.clone()]);
    assert_eq!(files.poll().unwrap().unreadable.len(), 1);
    assert!(files.poll().is_none());
    fs::create_dir(&path).unwrap();
    fs::write(path.join("config.json"), CONFIG).unwrap();
    assert_eq!(names(&files.poll().unwrap()), ["config.json"]);
}

#[tokio::test]
async fn run_reads_at_once_and_ends_at_shutdown() {
    let directory = directory(&[("config.json", CONFIG)]);
    let shutdown = CancellationToken::new();
    let (sender, mut passes) = tokio::sync::mpsc::channel(1);
    let files = Files::new(vec![directory.path().to_owned()]);
    let running = tokio::spawn(files.run(shutdown.clone(), move |pass| {
        sender.try_send(pass).unwrap();
    }));
    assert_eq!(names(&passes.recv().await.unwrap()), ["config.json"]);
    shutdown.cancel();
    running.await.unwrap();
}
