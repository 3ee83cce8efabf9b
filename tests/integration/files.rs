//! Docker config files as the changes of a cluster.

mod daemon;

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use regcred_exporter::domain::cluster::{Change, SecretSeen};
use regcred_exporter::domain::docker_config::{self, SecretKind};
use regcred_exporter::files::{self, Files, Pass};
use regcred_stand_ins::scrape::Page;
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::exporter::{Exporter, PATIENCE};

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
        .map(|secret| file_name(&secret.object.name))
        .collect()
}

fn file_name(secret: &str) -> String {
    let path = Path::new(secret);
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The names of files whose Secrets end.
fn ended(pass: &Pass) -> Vec<String> {
    pass.changes
        .iter()
        .filter_map(|change| match change {
            Change::SecretDeleted(_, object) => Some(file_name(&object.name)),
            _ => None,
        })
        .collect()
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
    assert!(pass.unreadable.is_empty());
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
    assert!(pass.unreadable.is_empty());
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
    let told = told(&pass);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains(&*missing.to_string_lossy()) && told[0].contains("No such file"));
    assert!(
        told[1].contains(&*empty.path().to_string_lossy()) && told[1].contains("has no `*.json`")
    );
    assert!(told[2].contains("large.json") && told[2].contains("1 MiB"));
}

#[test]
fn a_file_that_is_gone_ends_and_is_told() {
    let directory = directory(&[("one.json", CONFIG)]);
    let named = directory.path().join("one.json");
    for path in [named.clone(), directory.path().to_owned()] {
        fs::write(&named, CONFIG).unwrap();
        let mut files = Files::new(vec![path]);
        assert_eq!(names(&files.poll().unwrap()), ["one.json"]);
        fs::remove_file(&named).unwrap();
        let pass = files.poll().unwrap();
        assert_eq!((names(&pass).len(), told(&pass).len()), (0, 1));
        assert_eq!(ended(&pass), ["one.json"]);
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

/// As the kubelet updates a mount: another dated directory, and `..data` renamed onto it.
fn swap(mount: &Path, content: &str) {
    let dated = mount.join("..2026_01_02_00_00_00.2");
    fs::create_dir(&dated).unwrap();
    fs::write(dated.join(".dockerconfigjson"), content).unwrap();
    symlink("..2026_01_02_00_00_00.2", mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    fs::remove_dir_all(mount.join("..2026_01_01_00_00_00.1")).unwrap();
}

const OTHER: &str = r#"{"auths":{"quay.io":{"auth":"dTpwYXNz"}}}"#;

/// The keys that the Secrets of a pass have.
fn keys(pass: &Pass) -> Vec<String> {
    let entries = secrets(pass)
        .into_iter()
        .flat_map(|secret| &secret.docker_config.entries);
    entries.map(|entry| entry.label()).collect()
}

/// A step, done at this path, after which the path has these keys; none where it has not changed.
type Step = (&'static str, fn(&Path), Option<&'static [&'static str]>);

const STEPS: &[Step] = &[
    ("nothing", |_| {}, None),
    (
        "written in place",
        |path| fs::write(path, OTHER).unwrap(),
        Some(&["quay.io"]),
    ),
    ("nothing again", |_| {}, None),
    (
        "replaced by a file of the same size and date",
        |path| {
            let date = fs::metadata(path).unwrap().modified().unwrap();
            let new = path.with_extension("new");
            fs::write(&new, OTHER.replace("quay", "ghcr")).unwrap();
            File::open(&new).unwrap().set_modified(date).unwrap();
            fs::rename(new, path).unwrap();
        },
        Some(&["ghcr.io"]),
    ),
    (
        "written in place, with the old size and date",
        |path| {
            let date = fs::metadata(path).unwrap().modified().unwrap();
            fs::write(path, OTHER).unwrap();
            File::open(path).unwrap().set_modified(date).unwrap();
        },
        Some(&["quay.io"]),
    ),
    ("deleted", |path| fs::remove_file(path).unwrap(), Some(&[])),
    ("still deleted", |_| {}, None),
    (
        "made again",
        |path| fs::write(path, CONFIG).unwrap(),
        Some(&["ghcr.io"]),
    ),
    (
        "other permissions",
        |path| fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap(),
        Some(&["ghcr.io"]),
    ),
    (
        "half of it",
        |path| fs::write(path, "{").unwrap(),
        Some(&[]),
    ),
    (
        "whole again",
        |path| fs::write(path, CONFIG).unwrap(),
        Some(&["ghcr.io"]),
    ),
    (
        "too large",
        |path| {
            File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(1 << 40)
                .unwrap()
        },
        Some(&[]),
    ),
    ("still too large", |_| {}, None),
    (
        "small again",
        |path| fs::write(path, CONFIG).unwrap(),
        Some(&["ghcr.io"]),
    ),
    (
        "a link to another file",
        |path| {
            fs::rename(path, path.with_extension("old")).unwrap();
            fs::write(path.with_extension("target"), OTHER).unwrap();
            symlink(path.with_extension("target"), path).unwrap();
        },
        Some(&["quay.io"]),
    ),
    (
        "a link to itself",
        |path| {
            fs::remove_file(path).unwrap();
            symlink(path, path).unwrap();
        },
        Some(&[]),
    ),
];

/// Each way in which a file comes, changes and goes, named by its path or by its directory.
#[test]
fn a_poll_follows_a_file_and_reads_only_what_has_changed() {
    for is_directory_named in [false, true] {
        let directory = directory(&[("config.json", CONFIG)]);
        let path = directory.path().join("config.json");
        let named = if is_directory_named {
            directory.path()
        } else {
            &path
        };
        let mut files = Files::new(vec![named.to_owned()]);
        assert_eq!(keys(&files.poll().unwrap()), ["ghcr.io"]);
        for (what, act, expected) in STEPS {
            act(&path);
            let got = files.poll().map(|pass| keys(&pass));
            let expected = expected.map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
            assert_eq!(got, expected, "{what}, {}", named.display());
        }
    }
}

#[test]
fn a_poll_follows_the_swap_of_a_mounted_secret() {
    let mount = mount();
    let key = mount.path().join(".dockerconfigjson");
    for named in [mount.path(), &key] {
        let mut files = Files::new(vec![named.to_owned()]);
        assert_eq!(keys(&files.poll().unwrap()), ["ghcr.io"]);
        assert!(files.poll().is_none());
    }
    let mut both = [mount.path(), &key].map(|named| Files::new(vec![named.to_owned()]));
    both.iter_mut()
        .for_each(|files| assert!(files.poll().is_some()));
    swap(mount.path(), OTHER);
    for files in &mut both {
        assert_eq!(keys(&files.poll().unwrap()), ["quay.io"]);
        assert!(files.poll().is_none());
    }
}

#[test]
fn a_poll_finds_files_that_come_and_go_in_a_directory() {
    let directory = directory(&[("a.json", CONFIG)]);
    let mut files = Files::new(vec![directory.path().to_owned()]);
    assert_eq!(names(&files.poll().unwrap()), ["a.json"]);
    fs::write(directory.path().join("b.json"), OTHER).unwrap();
    assert_eq!(names(&files.poll().unwrap()), ["a.json", "b.json"]);
    fs::write(directory.path().join("notes.txt"), OTHER).unwrap();
    assert!(files.poll().is_none(), "no docker config by its name");
    fs::remove_file(directory.path().join("a.json")).unwrap();
    let pass = files.poll().unwrap();
    assert_eq!(names(&pass), ["b.json"]);
    assert_eq!(ended(&pass), ["a.json"]);
}

/// A pipe without a writer, a socket and a device, and links to them.
fn traps(directory: &Path) -> Vec<PathBuf> {
    let at = |name: &str| directory.join(name);
    mkfifoat(CWD, at("fifo.json"), Mode::RUSR | Mode::WUSR).unwrap();
    UnixListener::bind(at("socket.json")).unwrap();
    symlink("fifo.json", at("link.json")).unwrap();
    symlink("/dev/zero", at("zero.json")).unwrap();
    symlink("loop.json", at("loop.json")).unwrap();
    symlink(".", at("self.json")).unwrap();
    ["fifo", "socket", "link", "zero"]
        .map(|name| at(&format!("{name}.json")))
        .to_vec()
}

#[test]
fn what_is_no_file_in_a_directory_is_left_out() {
    let directory = directory(&[("config.json", CONFIG)]);
    traps(directory.path());
    let mut files = Files::new(vec![directory.path().to_owned()]);
    for pass in [read(directory.path()), files.poll().unwrap()] {
        assert_eq!(names(&pass), ["config.json"]);
        assert!(pass.unreadable.is_empty(), "{pass:?}");
    }
}

#[test]
fn the_daemon_waits_for_no_pipe_that_is_named() {
    let directory = directory(&[("config.json", CONFIG)]);
    let mut paths = traps(directory.path());
    paths.push(directory.path().join("config.json"));
    let mut files = Files::new(paths);
    let pass = files.poll().unwrap();
    assert_eq!(names(&pass), ["config.json"]);
    let told = told(&pass);
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(
        told.iter()
            .all(|line| line.ends_with("the daemon reads nothing else")),
        "{told:?}"
    );
    assert!(files.poll().is_none(), "told once");
}

#[test]
fn who_looks_once_may_name_a_pipe() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(CONFIG.as_bytes()).unwrap();
    drop(writer);
    let pass = read(Path::new(&format!("/dev/fd/{}", reader.as_raw_fd())));
    assert_eq!(keys(&pass), ["ghcr.io"]);
}

/// Stands for whatever keeps us from looking at a path that may be there: permissions do not, where
/// tests run as root.
fn hide(path: &Path) {
    fs::rename(path, path.with_extension("hidden")).unwrap();
    symlink("x".repeat(300), path).unwrap();
}

#[test]
fn what_may_not_be_looked_at_does_not_end_with_what_has_gone() {
    let directory = directory(&[("gone.json", CONFIG), ("link.json", CONFIG)]);
    let path = directory.path().join("link.json");
    let mut files = Files::new(vec![directory.path().to_owned()]);
    assert_eq!(names(&files.poll().unwrap()), ["gone.json", "link.json"]);
    hide(&path);
    fs::remove_file(directory.path().join("gone.json")).unwrap();
    let pass = files.poll().unwrap();
    assert!(told(&pass)[0].contains("File name too long"), "{pass:?}");
    assert_eq!(ended(&pass), ["gone.json"]);
    assert!(files.poll().is_none(), "told once");
    fs::remove_file(&path).unwrap();
    assert_eq!(ended(&files.poll().unwrap()), ["link.json"]);
}

#[test]
fn a_directory_that_may_not_be_looked_at_keeps_what_it_had() {
    let parent = TempDir::new().unwrap();
    let named = parent.path().join("mount");
    let path = named.join("config.json");
    let mut files = Files::new(vec![named.clone()]);
    fs::create_dir(&named).unwrap();
    fs::write(path, CONFIG).unwrap();
    assert_eq!(names(&files.poll().unwrap()), ["config.json"]);
    hide(&named);
    let pass = files.poll().unwrap();
    assert_eq!((told(&pass).len(), ended(&pass).len()), (1, 0), "{pass:?}");
    fs::remove_file(&named).unwrap();
    assert_eq!(ended(&files.poll().unwrap()), ["config.json"]);
}

/// Ten seconds are between two looks.
#[tokio::test]
async fn the_daemon_follows_its_files_and_ends_whatever_they_are() {
    let (mount, directory) = (mount(), directory(&[]));
    let path = directory.path().join("config.json");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    let named = |path: &Path| format!("--docker-config={}", path.display());
    let flags = [
        named(mount.path()),
        named(&path),
        "--probe.which=none".to_owned(),
    ];
    let exporter = Exporter::start_with(&flags.each_ref().map(|flag| &**flag)).await;
    let has = |page: &Page, key: &str| page.count("regcred_credential_info", &[("key", key)]) > 0;
    let is_up = |page: &Page| page.value("regcred_watch_up", &[("resource", "files")]) == Some(1.0);

    exporter.ready().await;
    let page = exporter.page().await;
    assert!(has(&page, "ghcr.io") && !is_up(&page), "{page:?}");

    swap(mount.path(), OTHER);
    fs::remove_file(&path).unwrap();
    fs::write(&path, CONFIG.replace("ghcr", "gcr")).unwrap();
    let follows = |page: &Page| {
        has(page, "quay.io") && has(page, "gcr.io") && !has(page, "ghcr.io") && is_up(page)
    };
    exporter.until("both files", PATIENCE, follows).await;
    assert!(exporter.terminate().await.success());
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
