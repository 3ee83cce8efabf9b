//! A deleted password is gone from memory: the whole of it is searched, by another process.
//!
//! Freed memory is zeroed by the allocator (docs/adr/0014). What is searched is every mapping that
//! the kernel lets us read: heap, anonymous memory, stacks, mapped files.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use regcred_stand_ins::api_server::{ApiServer, Resource};
use regcred_stand_ins::objects::{
    base64, docker_config, dockercfg, dockercfg_secret, pod, pull_secret,
};
use regcred_stand_ins::registry::{Behaviour, Registry};
use regcred_stand_ins::scrape::Page;

use super::exporter::Exporter;

/// Nothing else in any memory looks like this.
const CANARY: &str = "c4n4ry-Gone-5e1d-0Pa55";
const USER: &str = "bot";
const PATIENCE: Duration = Duration::from_secs(60);

/// Every spelling in which a copy could lie about. Base64 of a longer text has that of its parts
/// inside, but for the edges: at each of three alignments what is sure to be there.
fn spellings() -> Vec<(String, Vec<u8>)> {
    let mut all = vec![("the password".to_owned(), CANARY.as_bytes().to_vec())];
    for shift in 0..3 {
        let shifted = base64(&format!("{}{CANARY}", "x".repeat(shift)));
        // The first and the last group are mixed with what stands beside.
        let sure = &shifted[4..(shift + CANARY.len()) / 3 * 4];
        all.push((format!("its base64 at {shift}"), sure.as_bytes().to_vec()));
    }
    let pair = base64(&format!("{USER}:{CANARY}"));
    all.push((
        "its Basic header".to_owned(),
        format!("Basic {pair}").into_bytes(),
    ));
    all.push(("the pair".to_owned(), pair.into_bytes()));
    all
}

/// One readable mapping of a process.
struct Mapping {
    from: u64,
    to: u64,
    name: String,
}

fn mappings(pid: u32) -> Vec<Mapping> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let readable = maps.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (from, to) = fields.next()?.split_once('-')?;
        let may_read = fields.next()?.starts_with('r');
        let name = fields.nth(3).unwrap_or("anonymous").to_owned();
        let number = |text| u64::from_str_radix(text, 16).ok();
        // The kernel's own pages cannot be read from outside.
        let is_ours = may_read && !name.starts_with("[v");
        is_ours.then_some(Mapping {
            from: number(from)?,
            to: number(to)?,
            name,
        })
    });
    readable.collect()
}

/// What is found where: spelling and mapping.
fn found(pid: u32) -> Vec<String> {
    let memory = File::open(format!("/proc/{pid}/mem")).expect("core dumps are allowed");
    let spellings = spellings();
    let mut found = Vec::new();
    let mut searched = 0;
    for mapping in mappings(pid) {
        let mut bytes = vec![0; (mapping.to - mapping.from) as usize];
        // A mapping may go while we look.
        if memory.read_exact_at(&mut bytes, mapping.from).is_err() {
            continue;
        }
        searched += bytes.len();
        for (spelling, needle) in &spellings {
            let hits = count(&bytes, needle);
            if hits > 0 {
                found.push(format!("{spelling}: {hits} in {}", mapping.name));
            }
        }
    }
    assert!(searched > 1 << 20, "{searched} bytes are no process");
    found
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    let first = needle[0];
    let starts = haystack
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == first);
    starts
        .filter(|(at, _)| haystack[*at..].starts_with(needle))
        .count()
}

#[tokio::test]
async fn after_its_secret_is_deleted_no_copy_of_a_password_is_left() {
    let bearer = Registry::start(
        Behaviour::bearer()
            .user(USER, CANARY)
            .manifest("team/app", "1"),
    )
    .await;
    let basic = Registry::start(
        Behaviour::basic()
            .user(USER, CANARY)
            .manifest("team/app", "1"),
    )
    .await;
    let wrong = Registry::start(Behaviour::bearer().user(USER, "other")).await;
    let api = ApiServer::start().await;
    let auth = base64(&format!("{USER}:{CANARY}"));
    let host = bearer.host();
    let secrets = [
        ("bearer", docker_config(&[(host, USER, CANARY)])),
        ("basic", docker_config(&[(basic.host(), USER, CANARY)])),
        ("refused", docker_config(&[(wrong.host(), USER, CANARY)])),
        (
            "auth-only",
            format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#),
        ),
        (
            "token",
            format!(
                r#"{{"auths":{{"{host}":{{"username":"u","password":"{CANARY}","identitytoken":"{CANARY}","registrytoken":"{CANARY}"}}}}}}"#
            ),
        ),
        (
            "broken",
            format!(r#"{{"auths":{{"{host}":{{"auth":"{USER}:{CANARY}"}},"x.io":"{CANARY}"}}}}"#),
        ),
        ("no-json", format!("{{{CANARY}")),
    ];
    for (namespace, config) in &secrets {
        api.apply(pull_secret(namespace, "pull", config));
        api.apply(pod(
            namespace,
            "app",
            &format!("{host}/team/app:1"),
            &["pull"],
        ));
    }
    api.apply(pod(
        "basic",
        "app",
        &format!("{}/team/app:1", basic.host()),
        &["pull"],
    ));
    api.apply(pod(
        "refused",
        "app",
        &format!("{}/team/app:1", wrong.host()),
        &["pull"],
    ));
    api.apply(dockercfg_secret(
        "legacy",
        "pull",
        &dockercfg(&[(host, USER, CANARY)]),
    ));
    api.apply(pod(
        "legacy",
        "app",
        &format!("{host}/team/app:1"),
        &["pull"],
    ));

    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    fs::write(&kubeconfig, api.kubeconfig()).unwrap();
    let flags = ["--debug.allow-core-dumps", "--log.level=trace"];
    let exporter = Exporter::start(&kubeconfig, &flags).await;
    let judged = |page: &Page| {
        let outcome = |registry: &Registry, outcome| {
            let labels = [
                ("registry", registry.host()),
                ("step", "token"),
                ("outcome", outcome),
            ];
            page.count("regcred_probe_outcome", &labels) == 1
        };
        outcome(&bearer, "ok") && outcome(&basic, "ok") && outcome(&wrong, "unauthorized")
    };
    exporter.until("every login", PATIENCE, judged).await;
    assert!(
        !found(exporter.pid()).is_empty(),
        "it is held while the Secret is there"
    );

    for namespace in secrets
        .iter()
        .map(|(namespace, _)| *namespace)
        .chain(["legacy"])
    {
        assert!(api.delete(Resource::Secrets, namespace, "pull"));
        assert!(api.delete(Resource::Pods, namespace, "app"));
    }
    let gone = |page: &Page| {
        page.value("regcred_objects", &[("resource", "secrets")]) == Some(0.0)
            && page.value("regcred_objects", &[("resource", "pods")]) == Some(0.0)
    };
    exporter.until("everything to go", PATIENCE, gone).await;
    // The conversations' connections and the last watch lines go a moment later.
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut left = found(exporter.pid());
    while !left.is_empty() && tokio::time::Instant::now() < deadline {
        exporter.page().await;
        left = found(exporter.pid());
    }
    assert!(left.is_empty(), "copies are left: {left:#?}");
}
